// bench/pump_bench.cpp: the pump from a real store to a real VictoriaMetrics, in the shape of live ticks:
// every series once per commit. Bound: what the server takes per CPU-second of its own, printed beside ours
// (with prepared bodies 0.95 M of one sample per line, 2.1 to 2.7 M of 1000 per line); the pump must not be
// what limits.
//
//   pump_bench [SERIES] [TICKS]      the server: $SETTLE_VICTORIA_METRICS or build/tools/victoria-metrics
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <fcntl.h>
#include <unistd.h>

#include "runner/metrics.hpp"
#include "runner/push/pump.hpp"
#include "runner/real_clocks.hpp"
#include "runner/store/keys.hpp"
#include "runner/store/ledger.hpp"
#include "sinks/victoriametrics/victoriametrics.hpp"

namespace {

namespace asio = boost::asio;
using namespace settle;
using Clock = std::chrono::steady_clock;

constexpr unsigned short kPort = 18'428;

double cpu_seconds(int who) {
  rusage usage{};
  ::getrusage(who, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

int start_server(const std::string& folder) {
  const char* chosen = std::getenv("SETTLE_VICTORIA_METRICS");  // NOLINT(concurrency-mt-unsafe): one thread
  std::string program = chosen != nullptr ? chosen : SETTLE_TOOLS "/victoria-metrics";
  std::string listen = "-httpListenAddr=127.0.0.1:" + std::to_string(kPort);
  std::string data = "-storageDataPath=" + folder + "/data";
  std::string retention = "-retentionPeriod=100y";
  char* argv[] = {program.data(), listen.data(), data.data(), retention.data(), nullptr};
  const int pid = ::fork();
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int log = ::open((folder + "/log").c_str(), O_WRONLY | O_CREAT, 0600);
    ::dup2(log, STDOUT_FILENO);
    ::dup2(log, STDERR_FILENO);
    ::execv(program.c_str(), argv);
    ::_exit(127);
  }
  return pid;
}

bool fill(runner::Store& store, int series, int ticks) {
  const auto now = std::chrono::time_point_cast<engine::Duration>(std::chrono::system_clock::now());
  const engine::Time first = engine::floor_to(now, std::chrono::minutes{1}) - std::chrono::minutes{ticks};
  for (int tick = 0; tick < ticks; ++tick) {
    runner::WriteBatch batch;
    runner::LedgerBlock block;
    block.tenant = "default";
    block.job_id = "job";
    block.stream_id = "stream";
    block.sinks = {"tsdb"};
    for (int i = 0; i < series; ++i) {
      const auto number = static_cast<std::uint64_t>(i);
      if (tick == 0) {
        batch.put(runner::Table::series, runner::series_key("default", "stream", number),
                  "http_requests_total{host=\"h" + std::to_string(i % 100) + "\",zone=\"zone-" +
                      std::to_string(i) + "\"}");
      }
      engine::Sample sample;
      sample.series = number;
      sample.bucket = first + std::chrono::minutes{tick};
      sample.value = engine::Value::count(number * 7919u + static_cast<unsigned>(tick));
      sample.revision = 1;
      block.samples.push_back(sample);
    }
    runner::append_to_ledger(batch, block);
    if (!store.commit_now(std::move(batch))) return false;
  }
  return true;
}

int run(const std::string& folder, int series, int ticks) {
  auto store = runner::Store::open({.directory = folder + "/store", .bytes_max = 4ull << 30});
  if (!store || !fill(**store, series, ticks)) return std::puts("the store cannot be filled"), 1;
  asio::io_context context;
  net::HttpClient client{context.get_executor()};
  runner::RealClocks clocks{context.get_executor(), {}};
  runner::Metrics metrics;
  sinks::VictoriaMetricsOptions to;
  to.name = "tsdb";
  to.endpoint.url = "http://127.0.0.1:" + std::to_string(kPort);
  sinks::VictoriaMetrics sink{client, to};
  runner::PumpOptions options;
  options.sink_name = "tsdb";
  const auto load_start = Clock::now();
  auto pump = std::make_unique<runner::Pump>(**store, sink, clocks, metrics, options);
  if (!pump->load()) return std::puts("the pump cannot be loaded"), 1;
  const double load_seconds = seconds_since(load_start);
  asio::co_spawn(context, pump->run(), asio::detached);
  // The clock starts with the first acknowledgement: the server may still be starting.
  const auto give_up = Clock::now() + std::chrono::seconds{120};
  while (pump->status().rows_acknowledged == 0 && Clock::now() < give_up)
    context.run_one_for(std::chrono::seconds{1});
  const std::uint64_t before = pump->status().rows_acknowledged;
  const double cpu = cpu_seconds(RUSAGE_SELF);
  const auto start = Clock::now();
  while (pump->status().rows_waiting > 0 && Clock::now() < give_up)
    context.run_one_for(std::chrono::seconds{1});
  const auto rows = static_cast<double>(pump->status().rows_acknowledged - before);
  const double wall = seconds_since(start);
  std::printf(
      "%d series x %d ticks: load %.2f s; %.0f samples in %.2f s: %.0f samples/s, %.0f per CPU-second of "
      "ours\n",
      series, ticks, load_seconds, rows, wall, rows / wall, rows / (cpu_seconds(RUSAGE_SELF) - cpu));
  if (!pump->status().last_error.empty()) std::printf("last error: %s\n", pump->status().last_error.c_str());
  const bool all = pump->status().rows_waiting == 0;
  pump.reset();
  store->reset();
  return all ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const int series = argc > 1 ? std::atoi(argv[1]) : 20'000;
  const int ticks = argc > 2 ? std::atoi(argv[2]) : 50;
  std::string folder = (std::filesystem::temp_directory_path() / "settle_bench_XXXXXX").string();
  if (series <= 0 || ticks <= 0 || ::mkdtemp(folder.data()) == nullptr) return 2;
  const int server = start_server(folder);
  const int code = run(folder, series, ticks);
  ::kill(server, SIGKILL);
  ::waitpid(server, nullptr, 0);
  const double server_cpu = cpu_seconds(RUSAGE_CHILDREN);
  std::printf("baseline: the server took %.2f CPU-seconds, its start included: %.0f samples per CPU-second\n",
              server_cpu, static_cast<double>(series) * ticks / server_cpu);
  std::filesystem::remove_all(folder);
  return code;
}
