#include "tests/simulation/process.hpp"

#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/detail/scheduler.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>

#include "runner/store/store_writer.hpp"

namespace settle::simulation {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kStoreBytesMax = std::size_t{64} << 20;

/// Coroutines that a crash leaves suspended are destroyed while what they refer to is still there. What they
/// leave behind when they go is destroyed by the next turn.
class Loop : public asio::io_context {
 public:
  Loop() : asio::io_context(1) {}
  void drop_all() {
    for (int turn = 0; turn < 3; ++turn) shutdown();
  }
};

/// Without threads: its tasks run when the world says so.
class Pool : public asio::thread_pool {
 public:
  Pool() : asio::thread_pool(0) {}
  bool step() {
    boost::system::error_code ignored;
    return asio::use_service<asio::detail::scheduler>(*this).poll_one(ignored) > 0;
  }
  void drop_all() { shutdown(); }
};

}  // namespace

struct Process::Parts {
  Loop loop;
  Pool pool;
  SimClocks clocks;
  std::unique_ptr<runner::Store> store;
  std::unique_ptr<runner::Runner> runner;
  bool ended = false;

  Parts(const WorldTime& world, engine::Time floor) : clocks(loop.get_executor(), world, floor) {}

  asio::awaitable<void> run() {
    co_await runner->run();
    ended = true;
  }
};

Process::Process(const WorldTime& world, const ProcessSpec& spec)
    : spec_(spec), parts_(std::make_unique<Parts>(world, spec.clock_floor)) {}

Process::~Process() {
  if (parts_->store) parts_->store->writer().drop();
  parts_->pool.drop_all();
  parts_->loop.drop_all();
  parts_->runner.reset();
  parts_->store.reset();
}

engine::Result<void> Process::start() {
  auto opened = runner::Store::open(
      {.directory = spec_.directory, .bytes_max = kStoreBytesMax, .read_only = false, .own_thread = false});
  if (!opened) return opened.error();
  parts_->store = *std::move(opened);
  std::vector<runner::SinkEntry> sinks;
  for (Server* server : spec_.servers) {
    runner::SinkEntry entry;
    entry.name = server->spec().name;
    entry.sink = server->sink(parts_->clocks);
    entry.pump = spec_.pump;
    sinks.push_back(std::move(entry));
  }
  parts_->runner = std::make_unique<runner::Runner>(parts_->loop.get_executor(), parts_->pool, *parts_->store,
                                                    parts_->clocks, spec_.options, entries(spec_.sources),
                                                    std::move(sinks));
  if (auto loaded = parts_->runner->load(); !loaded) return loaded;
  asio::co_spawn(parts_->loop, parts_->run(), asio::detached);
  return {};
}

std::vector<runner::SourceEntry> Process::entries(const std::vector<Source*>& sources) {
  std::vector<runner::SourceEntry> entries;
  for (Source* source : sources) {
    runner::SourceEntry entry;
    entry.name = source->spec().name;
    entry.fetcher = source->fetcher(parts_->clocks, spec_.told);
    entries.push_back(std::move(entry));
  }
  return entries;
}

bool Process::step_loop() {
  if (parts_->loop.stopped()) parts_->loop.restart();
  return parts_->loop.poll_one() > 0;
}

bool Process::step_pool() {
  return parts_->pool.step();
}

std::size_t Process::commits_waiting() const {
  return parts_->store->writer().queued();
}

void Process::commit(std::size_t batches) {
  parts_->store->writer().write(batches);
}

void Process::fail_commits(const std::string& why) {
  parts_->store->writer().fail(parts_->store->writer().queued(), engine::retry_later(why));
}

void Process::stop() {
  parts_->runner->stop();
}

void Process::wait_for_end() {
  if (parts_->loop.stopped()) parts_->loop.restart();
  parts_->loop.run_one();
}

bool Process::ended() const {
  return parts_->ended;
}

runner::Runner& Process::runner() {
  return *parts_->runner;
}
runner::Store& Process::store() {
  return *parts_->store;
}
SimClocks& Process::clocks() {
  return parts_->clocks;
}
asio::any_io_executor Process::executor() {
  return parts_->loop.get_executor();
}

}  // namespace settle::simulation
