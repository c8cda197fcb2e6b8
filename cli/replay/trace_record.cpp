#include "cli/replay/trace_record.hpp"

#include <cerrno>
#include <sys/stat.h>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

namespace settle::cli {

namespace asio = boost::asio;
using engine::Time;

engine::Result<TraceFile> TraceFile::create(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (descriptor < 0)
    return engine::refused("cannot write \"" + path + "\": " + std::generic_category().message(errno));
  TraceFile file(descriptor, path);
  struct stat found {};
  if (::fstat(descriptor, &found) != 0 || found.st_size != 0) {
    return engine::refused("\"" + path + "\" holds something already: give the name of a new file");
  }
  return file;
}

TraceFile::TraceFile(TraceFile&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      path_(std::move(other.path_)),
      bytes_(other.bytes_) {}

TraceFile::~TraceFile() {
  if (descriptor_ >= 0) (void)::close(descriptor_);
}

engine::Result<void> TraceFile::append(std::string_view lines) {
  std::size_t written = 0;
  while (written < lines.size()) {
    const ssize_t some = ::write(descriptor_, lines.data() + written, lines.size() - written);
    if (some < 0 && errno == EINTR) continue;
    if (some <= 0) {
      const std::string why = std::generic_category().message(errno);
      (void)::ftruncate(descriptor_, bytes_);
      return engine::retry_later("cannot write \"" + path_ + "\": " + why +
                                 "; what was recorded before is whole");
    }
    written += static_cast<std::size_t>(some);
  }
  bytes_ += static_cast<std::int64_t>(lines.size());
  return {};
}

namespace {

RecorderOptions recorder_options(const RecordOptions& options, Time start) {
  RecorderOptions made{
      .granularity = options.granularity, .watch = options.watch, .start = start, .until = {}};
  if (options.duration) made.until = start + *options.duration;
  return made;
}

}  // namespace

Recording::Recording(fetchers::Fetcher& source, runner::Clocks& clocks, TraceFile& file,
                     RecordOptions options, Events events)
    : source_(source),
      clocks_(clocks),
      file_(file),
      options_(std::move(options)),
      events_(std::move(events)),
      start_(clocks.source_now()),
      recorder_(recorder_options(options_, start_)) {}

void Recording::stop() {
  stopped_ = true;
  clocks_.stop();
}

fetchers::FetchRequest Recording::request_at(engine::TimeRange range, Time now) const {
  fetchers::FetchRequest request;
  request.range = range;
  request.granularity = options_.granularity;
  request.selector = options_.selector;
  request.now = now;
  request.timeout = options_.timeout;
  return request;
}

void Recording::report(const fetchers::FetchResult& result, Time now) {
  std::string failure;
  for (const fetchers::ScopeFailure& one : result.failures) {
    failure += (failure.empty() ? "" : "; ") + one.scope + ": " +
               std::string(fetchers::failure_text(one.failure)) + ": " + one.detail;
  }
  for (const engine::ScopeAnswer& scope : result.answer.scopes) {
    if (scope.completeness == engine::Completeness::complete) continue;
    failure += (failure.empty() ? "" : "; ") + scope.scope + ": the answer was cut short";
  }
  if (!failure.empty()) {
    ++progress_.failed;
    newest_failure_ = failure;
  }
  if (!result.answer.scopes.empty()) ++progress_.answered;
  whole_ = failure.empty() && !result.answer.scopes.empty();
  if (!failure.empty() && failure != last_failure_ && events_.failed) events_.failed(now, failure);
  last_failure_ = std::move(failure);
}

engine::Result<void> Recording::take(const fetchers::FetchResult& result, Time now) {
  report(result, now);
  // Scopes that failed are not in the answer: nothing is written about them.
  auto written = file_.append(recorder_.take(result.answer, now));
  if (whole_) recorder_.seen_whole(now);
  ++progress_.polls;
  progress_.now = now;
  progress_.lines = recorder_.counts();
  progress_.young_buckets = recorder_.young_buckets(now);
  progress_.ending = options_.duration && now >= start_ + *options_.duration;
  if (events_.polled) events_.polled(progress_);
  return written;
}

engine::Result<void> Recording::ended() const {
  if (progress_.answered > 0) return {};
  return engine::refused("no poll was answered, so nothing was recorded" +
                         (newest_failure_.empty() ? "" : "; the last time: " + newest_failure_));
}

asio::awaitable<engine::Result<void>> Recording::run() {
  Time next = start_;
  for (;;) {
    co_await clocks_.sleep_until_source(next);
    if (stopped_) co_return ended();
    const Time now = clocks_.source_now();
    const engine::TimeRange range = recorder_.range_at(now);
    fetchers::FetchResult result;
    if (!range.empty()) {
      result = co_await source_.fetch(request_at(range, now));
    }
    if (stopped_) co_return ended();
    const engine::Result<void> taken = take(result, now);
    if (!taken) co_return taken;
    if (progress_.ending && progress_.young_buckets == 0) co_return ended();
    while (next <= now) next += options_.poll;  // what was missed stays missed
  }
}

}  // namespace settle::cli
