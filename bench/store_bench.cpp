// bench/store_bench.cpp: what a tick costs on disk: the real engine, the stream log and the store together.
//
// Expected: a commit writes its record once, whole pages, plus the path to the root of each table it touches
// (about 60 KiB for 100,000 cells). So bytes <= 2 x record + 128 KiB, and with cleaning <= 3 x what changed,
// over a bucket's life. `written` is wchar of /proc/self/io; the time of one fdatasync stands beside every
// commit.
//
//   store_bench [DIRECTORY]    the store is made there (default: the system's place for temporary files)
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <fcntl.h>
#include <unistd.h>

#include "runner/store/keys.hpp"
#include "runner/store/store.hpp"
#include "runner/store/stream_log.hpp"

namespace settle::runner {
namespace {

using engine::Duration;
using engine::Time;
using Clock = std::chrono::steady_clock;

constexpr Duration kMinute = std::chrono::minutes{1};
constexpr Time kStart = engine::from_epoch_ms(1'782'000'000'000);
constexpr std::size_t kStoreBytesMax = std::size_t{16} << 30;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

double mib(std::size_t bytes) {
  return static_cast<double>(bytes) / 1048576.0;
}

/// A line of a file in /proc, in the unit it is given in.
std::size_t proc_number(const char* file, const std::string& name) {
  std::ifstream in{file};
  std::string word;
  while (in >> word) {
    if (word == name && in >> word) return std::strtoull(word.c_str(), nullptr, 10);
  }
  return 0;
}
std::size_t bytes_written() {
  return proc_number("/proc/self/io", "wchar:");
}
std::size_t rss_bytes() {
  return proc_number("/proc/self/status", "VmRSS:") * 1024;
}

/// The median of a page written and flushed.
double fdatasync_ms(const std::string& directory) {
  const std::string path = directory + "/fdatasync";
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT, 0600);
  const std::string page(4096, 'x');
  std::vector<double> times;
  for (int i = 0; i < 15; ++i) {
    if (::pwrite(file, page.data(), page.size(), off_t{i} * 4096) < 0) std::abort();
    const auto start = Clock::now();
    ::fdatasync(file);
    times.push_back(ms_since(start));
  }
  ::close(file);
  std::filesystem::remove(path);
  std::nth_element(times.begin(), times.begin() + 7, times.end());
  return times[7];
}

template <class T>
T take(engine::Result<T> result) {
  if (result) return std::move(*result);
  std::fprintf(stderr, "%s\n", result.error().detail.c_str());
  std::exit(1);  // NOLINT(concurrency-mt-unsafe): one thread
}

struct Stream {
  engine::Engine engine;
  StreamLog log;
};

std::vector<std::string> series_names(std::size_t count) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < count; ++i) {
    names.push_back("http_requests_total{host=\"edge-" + std::to_string(100'000 + i) + "\",zone=\"z" +
                    std::to_string(i % 100) + "\"}");
  }
  return names;
}

engine::EngineOptions options() {
  engine::EngineOptions all;
  all.watch = 10 * kMinute;
  all.ttl = 10 * kMinute;
  return all;
}

Stream make_stream(const std::string& id) {
  return {.engine = engine::Engine{options(), kStart}, .log = StreamLog{"default", id}};
}

/// One answer over the newest ten buckets: a bucket's value moves in its first `moving` minutes, then rests.
engine::Answer make_answer(const std::vector<std::string>& names, Time now, int moving) {
  engine::Answer answer;
  engine::ScopeAnswer scope;
  const Time newest = engine::floor_to(now, kMinute);
  scope.covered = {.from = std::max(kStart, newest - 10 * kMinute), .to = newest};
  scope.frontier = newest;
  for (Time bucket = scope.covered.from; bucket < scope.covered.to; bucket += kMinute) {
    const auto age = std::min<std::int64_t>((now - bucket) / kMinute, moving);
    for (std::size_t i = 0; i < names.size(); ++i) {
      const auto value = static_cast<std::uint64_t>(age) * (500 + i % 1000) + 10'000;
      scope.rows.push_back({.series = names[i], .bucket = bucket, .value = engine::Value::count(value)});
    }
  }
  answer.scopes.push_back(std::move(scope));
  return answer;
}

struct Tick {
  std::size_t record = 0;
  std::size_t written = 0;
  std::size_t cells = 0;
  double drain_ms = 0;
  double commit_ms = 0;
};

Tick save(Store& store, Stream& stream) {
  Tick tick;
  WriteBatch batch;
  const auto start = Clock::now();
  tick.record = take(stream.log.drain(store, stream.engine, engine::Time{}, batch));
  tick.drain_ms = ms_since(start);
  const std::size_t before = bytes_written();
  const auto commit = Clock::now();
  stream.log.committed(take(store.commit_now(std::move(batch))).sequence);
  tick.commit_ms = ms_since(commit);
  tick.written = bytes_written() - before;
  return tick;
}

/// Some of 1,000,000 cells change, in one bucket of ten and spread over its series.
void bench_one_commit(Store& store, double sync_ms, std::size_t changed) {
  Stream stream = make_stream("one");
  const auto names = series_names(100'000);
  engine::Answer all = make_answer(names, kStart + 10 * kMinute, 0);
  (void)stream.engine.ingest(all, kStart + 10 * kMinute);
  (void)save(store, stream);
  for (int round = 1; round <= 3; ++round) {
    auto& rows = all.scopes[0].rows;
    for (std::size_t i = 0; i < names.size(); i += names.size() / changed) {
      rows[rows.size() - names.size() + i].value =
          engine::Value::count(20'000 + i + static_cast<unsigned>(round));
    }
    const Time now = kStart + 10 * kMinute + Duration{round};
    (void)stream.engine.ingest(all, now);
    const Tick tick = save(store, stream);
    std::printf(
        "commit of %zu changed cells of %zu: record %.2f MiB, written %.2f MiB = %.2fx record %+.0f KiB, "
        "encode %.1f ms, commit %.1f ms (fdatasync %.2f ms)\n",
        changed, stream.engine.open_cells(), mib(tick.record), mib(tick.written),
        static_cast<double>(tick.written) / static_cast<double>(tick.record),
        (static_cast<double>(tick.written) - static_cast<double>(tick.record)) / 1024, tick.drain_ms,
        tick.commit_ms, sync_ms);
  }
  WriteBatch erase;
  stream.log.erase(erase);
  (void)take(store.commit_now(std::move(erase)));
}

/// Ticks over many lives of a bucket. A twin engine that is never cleaned says what the changes alone take.
void bench_life(Store& store, double sync_ms, int moving) {
  Stream stream = make_stream("life");
  engine::Engine twin{options(), kStart};
  const auto names = series_names(20'000);
  std::size_t anew = 0;
  std::size_t records = 0;
  std::size_t written = 0;
  std::size_t most = 0;
  std::size_t log_most = 0;
  double commit_ms = 0;
  constexpr int kTicks = 80;
  constexpr int kWarm = 20;
  for (int i = 1; i <= kTicks; ++i) {
    const Time now = kStart + i * (kMinute / 2);
    const engine::Answer answer = make_answer(names, now, moving);
    for (engine::Engine* one : {&stream.engine, &twin}) {
      (void)one->ingest(answer, now);
      (void)one->expire(now);
    }
    const std::size_t alone = twin.drain_changes().record.size();
    const Tick tick = save(store, stream);
    if (i <= kWarm) continue;
    anew += alone;
    records += tick.record;
    written += tick.written;
    most = std::max(most, tick.record);
    log_most = std::max(log_most, stream.log.bytes());
    commit_ms += tick.commit_ms;
  }
  std::printf(
      "life of a bucket, 20,000 series, values move for %d min: %d ticks, changed %.2f MiB, records %.2fx, "
      "written %.2fx, largest record %.2f MiB of mean %.2f, log <= %.2f MiB for %zu cells, "
      "commit %.1f ms (fdatasync %.2f ms)\n",
      moving, kTicks - kWarm, mib(anew), static_cast<double>(records) / static_cast<double>(anew),
      static_cast<double>(written) / static_cast<double>(anew), mib(most), mib(anew) / (kTicks - kWarm),
      mib(log_most), stream.engine.open_cells(), commit_ms / (kTicks - kWarm), sync_ms);
  WriteBatch erase;
  stream.log.erase(erase);
  (void)take(store.commit_now(std::move(erase)));
}

boost::asio::awaitable<void> commit_one(Store& store, WriteBatch batch, StreamLog& log) {
  auto committed = co_await store.commit(std::move(batch));
  log.committed(take(std::move(committed)).sequence);
}

/// All streams tick at once: every batch is there before the first is committed.
void bench_many_streams(Store& store, double sync_ms) {
  constexpr std::size_t kStreams = 10'000;
  std::vector<Stream> streams;
  for (std::size_t i = 0; i < kStreams; ++i)
    streams.push_back(make_stream("s" + std::to_string(100'000 + i)));
  const auto names = series_names(1);
  std::size_t records = 0;
  std::size_t written = 0;
  std::size_t log_bytes = 0;
  double time_ms = 0;
  constexpr int kTicks = 120;
  constexpr int kWarm = 60;
  for (int i = 1; i <= kTicks; ++i) {
    const Time now = kStart + i * kMinute;
    const engine::Answer answer = make_answer(names, now, 1);
    boost::asio::io_context loop{1};
    std::size_t record = 0;
    log_bytes = 0;
    for (Stream& stream : streams) {
      (void)stream.engine.ingest(answer, now);
      (void)stream.engine.expire(now);
      WriteBatch batch;
      record += take(stream.log.drain(store, stream.engine, engine::Time{}, batch));
      log_bytes += stream.log.bytes();
      boost::asio::co_spawn(loop, commit_one(store, std::move(batch), stream.log), boost::asio::detached);
    }
    const std::size_t before = bytes_written();
    const auto start = Clock::now();
    loop.run();
    if (i <= kWarm) continue;
    records += record;
    written += bytes_written() - before;
    time_ms += ms_since(start);
  }
  const double ticks = kTicks - kWarm;
  std::printf(
      "10,000 streams, one new cell each per tick: records %.2f MiB, written %.2f MiB = %.2fx, %.1f ms per "
      "tick "
      "(fdatasync %.2f ms), logs %.1f MiB in all\n",
      mib(records) / ticks, mib(written) / ticks, static_cast<double>(written) / static_cast<double>(records),
      time_ms / ticks, sync_ms, mib(log_bytes));
}

/// 10,000 streams of 10 series and ten buckets: 1,000,000 open cells.
void fill_for_cold_start(Store& store) {
  const auto names = series_names(10);
  const engine::Answer answer = make_answer(names, kStart + 10 * kMinute, 3);
  std::deque<Stream> streams;
  boost::asio::io_context loop{1};
  for (std::size_t i = 0; i < 10'000; ++i) {
    Stream& stream = streams.emplace_back(make_stream("s" + std::to_string(100'000 + i)));
    (void)stream.engine.ingest(answer, kStart + 10 * kMinute);
    WriteBatch batch;
    (void)take(stream.log.drain(store, stream.engine, engine::Time{}, batch));
    batch.put(Table::streams, key_of("default", "s" + std::to_string(100'000 + i)), std::string(600, 'r'));
    batch.put(Table::jobs, key_of("default", "j" + std::to_string(100'000 + i)), std::string(900, 'j'));
    boost::asio::co_spawn(loop, commit_one(store, std::move(batch), stream.log), boost::asio::detached);
    if (i % 500 == 499) {
      loop.run();
      loop.restart();
    }
  }
}

void bench_cold_start(const std::string& directory) {
  const std::size_t rss = rss_bytes();
  const auto start = Clock::now();
  const auto store = take(Store::open({.directory = directory, .bytes_max = kStoreBytesMax}));
  std::size_t cells = 0;
  std::vector<engine::Engine> engines;
  {
    auto streams = take(load_stream_logs(*store));
    for (auto& [name, stream] : streams) {
      const std::vector<std::string_view> records{stream.records.begin(), stream.records.end()};
      engines.push_back(take(engine::Engine::load(options(), stream.series, records)));
      cells += engines.back().open_cells();
      stream.records.clear();
    }
  }
  std::printf("cold start: %zu streams, %zu open cells in %.0f ms, RSS %.0f MiB more than before\n",
              engines.size(), cells, ms_since(start), mib(rss_bytes() - rss));
}

int run(const std::string& parent) {
  std::string directory = parent + "/settle_store_bench_XXXXXX";
  if (::mkdtemp(directory.data()) == nullptr) return 1;
  const double sync_ms = fdatasync_ms(directory);
  std::printf("fdatasync of one page in %s: %.2f ms\n", parent.c_str(), sync_ms);
  {
    const auto store = take(Store::open({.directory = directory + "/a", .bytes_max = kStoreBytesMax}));
    for (const std::size_t changed : {100'000u, 10'000u}) bench_one_commit(*store, sync_ms, changed);
    bench_life(*store, sync_ms, 3);
    bench_life(*store, sync_ms, 10);
    bench_many_streams(*store, sync_ms);
  }
  {
    const auto store = take(Store::open({.directory = directory + "/b", .bytes_max = kStoreBytesMax}));
    fill_for_cold_start(*store);
  }
  bench_cold_start(directory + "/b");
  std::filesystem::remove_all(directory);
  return 0;
}

}  // namespace
}  // namespace settle::runner

int main(int argc, char** argv) {
  return settle::runner::run(argc > 1 ? argv[1] : std::filesystem::temp_directory_path().string());
}
