#include "cli/serve.hpp"

#include <csignal>
#include <iostream>
#include <memory>
#include <thread>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <malloc.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "api/handler.hpp"
#include "cli/config/config.hpp"
#include "cli/serve_parts.hpp"
#include "net/http_client.hpp"
#include "net/http_server.hpp"
#include "runner/real_clocks.hpp"
#include "runner/runner.hpp"
#include "runner/store/keys.hpp"
#include "runner/store/store.hpp"

namespace settle::cli {

namespace asio = boost::asio;
using asio::experimental::awaitable_operators::operator||;

namespace {

constexpr std::chrono::milliseconds kStopMax{5'000};       // everything
constexpr std::chrono::milliseconds kRequestGrace{1'000};  // REST requests in progress
constexpr std::chrono::milliseconds kSinksMax{10'000};     // for their first answers, at start

void set_up_log(const std::string& level) {
  spdlog::set_default_logger(spdlog::stderr_logger_st("settle"));
  spdlog::set_pattern("time=%Y-%m-%dT%H:%M:%S.%eZ level=%l %v", spdlog::pattern_time_type::utc);
  spdlog::set_level(spdlog::level::from_str(level));
}

runner::ClockOptions clock_options(const ServeOptions& options, const runner::Store& store) {
  runner::ClockOptions clock{
      .start = options.clock_start, .speed = options.clock_speed, .floor = std::nullopt};
  const runner::ReadTransaction view = store.read();
  if (const auto stored = view.get(runner::Table::meta, "source_time"); stored && stored->size() == 8) {
    clock.floor = engine::from_epoch_ms(static_cast<std::int64_t>(runner::read_u64(*stored)));
  }
  if (clock.start && clock.floor && *clock.start < *clock.floor) {
    spdlog::warn("event=clock_start_raised from={} to={} reason={:?}", engine::format_time(*clock.start),
                 engine::format_time(*clock.floor), "source time never runs backwards in one store");
    clock.start = clock.floor;
  } else if (!clock.start && clock.floor && *clock.floor > std::chrono::system_clock::now()) {
    spdlog::warn("event=clock_stands until={} reason={:?}", engine::format_time(*clock.floor),
                 "the store has seen a later source time than now: nothing is polled before; "
                 "rehearse with --clock-start on a data directory of its own");
  }
  return clock;
}

class Daemon {
 public:
  Daemon(ServeOptions options, Config config, std::unique_ptr<runner::Store> store)
      : options_(std::move(options)),
        config_(std::move(config)),
        pool_(std::max(1u, std::thread::hardware_concurrency())),
        store_(std::move(store)),
        clocks_(loop_.get_executor(), clock_options(options_, *store_)),
        client_(loop_.get_executor()),
        signals_(loop_, SIGTERM, SIGINT, SIGHUP) {}

  int run() {
    if (const engine::Result<void> ready = prepare(); !ready) {
      std::cerr << "settle serve: " << ready.error().detail << "\n";
      return 1;
    }
    asio::co_spawn(loop_, main(), asio::detached);
    loop_.run();
    client_.stop();
    pool_.join();
    return exit_code_;
  }

 private:
  engine::Result<void> prepare();
  asio::awaitable<void> main();
  asio::awaitable<void> run_runner();
  asio::awaitable<bool> ask_sinks();
  asio::awaitable<void> serve_until_stopped();
  asio::awaitable<void> reload();
  asio::awaitable<void> cut_after_limit();
  asio::awaitable<void> stop();

  ServeOptions options_;
  Config config_;
  asio::io_context loop_{1};
  asio::thread_pool pool_;
  std::unique_ptr<runner::Store> store_;
  runner::RealClocks clocks_;
  net::HttpClient client_;
  asio::signal_set signals_;
  std::unique_ptr<runner::Runner> runner_;
  std::unique_ptr<net::HttpServer> server_;
  std::unique_ptr<asio::steady_timer> limit_;
  bool reload_first_ = false;  // SIGHUP came during the start
  bool runner_ended_ = false;
  int exit_code_ = 0;
};

engine::Result<void> Daemon::prepare() {
  auto sources = make_sources(config_, client_, pool_.get_executor());
  if (!sources) {
    return sources.error();
  }
  auto sinks = make_sinks(config_, client_);
  if (!sinks) {
    return sinks.error();
  }
  runner_ = std::make_unique<runner::Runner>(loop_.get_executor(), pool_, *store_, clocks_,
                                             runner_options(config_), *std::move(sources), *std::move(sinks));
  return runner_->load();
}

asio::awaitable<void> Daemon::run_runner() {
  co_await runner_->run();
  runner_ended_ = true;
}

/// False when a signal says that nobody waits for the start.
asio::awaitable<bool> Daemon::ask_sinks() {
  auto first =
      co_await (runner_->ask_sinks(kSinksMax) || signals_.async_wait(asio::as_tuple(asio::use_awaitable)));
  if (first.index() == 0) {
    co_return true;
  }
  // A reload is not lost: the file as it is now is read when the start is over.
  reload_first_ = std::get<1>(std::get<1>(first)) == SIGHUP;
  co_return reload_first_;
}

asio::awaitable<void> Daemon::main() {
  const bool wanted = co_await ask_sinks();
  if (!wanted) {
    loop_.stop();
    co_return;
  }
  std::vector<std::string> jobs;
  for (const JobConfig& job : config_.jobs) {
    jobs.push_back(job.json);
  }
  const auto reconciled = co_await runner_->reconcile(std::move(jobs));
  if (!reconciled && reconciled.refusal().kind == runner::Refusal::Kind::conflict) {
    // Somebody's job holds what the file wants: the rest must not stand still for it.
    spdlog::error("event=config_jobs_refused error={:?}", reconciled.refusal().detail);
  } else if (!reconciled) {
    std::cerr << "settle serve: " << config_.filename << ": " << reconciled.refusal().detail << "\n";
    exit_code_ = 1;
    loop_.stop();
    co_return;
  }
  server_ = std::make_unique<net::HttpServer>(loop_.get_executor(), config_.limits.http,
                                              api::make_handler(runner_->service()), api::make_refuse());
  if (const std::string problem = server_->listen(config_.listen); !problem.empty()) {
    std::cerr << "settle serve: listen " << config_.listen << ": " << problem << "\n";
    exit_code_ = 1;
    loop_.stop();
    co_return;
  }
  const std::string host = config_.listen.substr(0, config_.listen.rfind(':'));
  spdlog::info("event=listening address={}:{} data_dir={:?} store={} source_time={}", host, server_->port(),
               config_.data_dir, store_->store_id(), engine::format_time(clocks_.source_now()));
  asio::co_spawn(loop_, run_runner(), asio::detached);
  co_await serve_until_stopped();
  co_await stop();
}

asio::awaitable<void> Daemon::serve_until_stopped() {
  if (reload_first_) {
    co_await reload();
  }
  for (;;) {
    const auto [failed, signal] = co_await signals_.async_wait(asio::as_tuple(asio::use_awaitable));
    if (failed || signal != SIGHUP) {
      spdlog::info("event=stopping signal={}", signal);
      co_return;
    }
    co_await reload();
  }
}

asio::awaitable<void> Daemon::reload() {
  engine::Result<Config> read = load_config(options_.config_file);
  if (!read) {
    spdlog::error("event=reload_refused error={:?}", read.error().detail);
    co_return;
  }
  Config config = *std::move(read);
  config.data_dir = config_.data_dir;
  config.listen = options_.listen.empty() ? config.listen : config_.listen;
  for (const std::string& line : needs_restart(config_, config)) {
    spdlog::warn("event=reload_incomplete reason={:?}", line);
  }
  Config only_changed = config;
  std::erase_if(only_changed.sources, [this](const SourceConfig& source) {
    return std::find(config_.sources.begin(), config_.sources.end(), source) != config_.sources.end();
  });
  auto sources = make_sources(only_changed, client_, pool_.get_executor());
  if (!sources) {
    spdlog::error("event=reload_refused error={:?}", sources.error().detail);
    co_return;
  }
  std::vector<std::string> gone;
  for (const SourceConfig& source : config_.sources) {
    const auto same_name = [&source](const SourceConfig& other) { return other.name == source.name; };
    if (std::none_of(config.sources.begin(), config.sources.end(), same_name)) {
      gone.push_back(source.name);
    }
  }
  std::vector<std::string> jobs;
  for (const JobConfig& job : config.jobs) {
    jobs.push_back(job.json);
  }
  const auto changed = co_await runner_->reload(*std::move(sources), std::move(gone), std::move(jobs));
  if (!changed) {
    spdlog::error("event=reload_refused error={:?}", changed.refusal().detail);
    co_return;
  }
  for (const std::string& line : *changed) {
    spdlog::info("event=job_reloaded what={:?}", line);
  }
  spdlog::set_level(spdlog::level::from_str(config.log_level));
  // What needs a restart stays as it runs, and is said again by the next reload.
  config_.sources = std::move(config.sources);
  config_.jobs = std::move(config.jobs);
  config_.log_level = std::move(config.log_level);
  spdlog::info("event=reloaded jobs={}", config_.jobs.size());
}

asio::awaitable<void> Daemon::cut_after_limit() {
  const auto [cancelled] = co_await limit_->async_wait(asio::as_tuple(asio::use_awaitable));
  if (!cancelled) {
    spdlog::warn("event=stop_cut after={}", engine::format_duration(kStopMax));
    loop_.stop();
  }
}

asio::awaitable<void> Daemon::stop() {
  limit_ = std::make_unique<asio::steady_timer>(loop_, kStopMax);
  asio::co_spawn(loop_, cut_after_limit(), asio::detached);
  runner_->stop();
  client_.stop();
  co_await server_->stop(kRequestGrace);
  asio::steady_timer look{loop_};
  while (!runner_ended_) {
    look.expires_after(std::chrono::milliseconds{2});
    co_await look.async_wait(asio::use_awaitable);
  }
  limit_->cancel();
  spdlog::info("event=stopped");
  loop_.stop();
}

/// Chunks and bodies of some MiB come and go all the time: given back, they would be taken page by page anew,
/// which costs more than the work that is done in them.
void keep_freed_memory() {
  // NOLINTBEGIN(concurrency-mt-unsafe): there is one thread yet.
  mallopt(M_MMAP_THRESHOLD, 32 << 20);  // the most there can be
  mallopt(M_TRIM_THRESHOLD, 256 << 20);
  mallopt(M_TOP_PAD, 1 << 20);
  // NOLINTEND(concurrency-mt-unsafe)
}

}  // namespace

int serve(const ServeOptions& options) {
  keep_freed_memory();
  engine::Result<Config> read = load_config(options.config_file);
  if (!read) {
    std::cerr << read.error().detail << "\n";
    return 1;
  }
  Config config = *std::move(read);
  config.data_dir = options.data_dir.empty() ? config.data_dir : options.data_dir;
  config.listen = options.listen.empty() ? config.listen : options.listen;
  set_up_log(config.log_level);
  for (const std::string& warning : config.warnings) {
    spdlog::warn("event=config_warning detail={:?}", warning);
  }
  runner::StoreOptions store_options;
  store_options.directory = config.data_dir;
  store_options.bytes_max = config.store_bytes_max;
  engine::Result<std::unique_ptr<runner::Store>> store = runner::Store::open(std::move(store_options));
  if (!store) {
    std::cerr << "settle serve: " << store.error().detail << "\n";
    return 1;
  }
  return Daemon{options, std::move(config), *std::move(store)}.run();
}

}  // namespace settle::cli
