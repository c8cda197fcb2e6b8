// Jobs of the configuration: taken over at start and by a reload, or when a sink has said what it can do.
#include <chrono>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <spdlog/spdlog.h>

#include "runner/runner_impl.hpp"

namespace settle::runner {

namespace asio = boost::asio;
using asio::experimental::awaitable_operators::operator||;
using asio::experimental::awaitable_operators::operator&&;

namespace {

using SinkIterator = std::map<std::string, SinkPart>::iterator;

asio::awaitable<void> ask_each(SinkIterator from, SinkIterator to) {
  if (from == to) {
    co_return;
  }
  sinks::Sink& sink = *from->second.sink;
  ++from;
  (void)co_await (sink.check() && ask_each(from, to));
}

}  // namespace

asio::awaitable<void> Runner::ask_sinks(std::chrono::milliseconds limit) {
  Impl& self = *impl_;
  (void)co_await (ask_each(self.sinks.begin(), self.sinks.end()) || self.clocks.sleep_for(limit));
}

asio::awaitable<Outcome<Runner::Impl::Lines>> Runner::Impl::reconcile(std::vector<std::string> jobs,
                                                                      Unfit unfit) {
  std::vector<JobSpec> specs;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    // A file outlives the valid_until of a job in it: then the job is expired, and the file is not wrong.
    Outcome<JobSpec> spec = parse_job(jobs[i], *this, engine::Time::min());
    if (!spec) {
      Refusal refusal = spec.refusal();
      refusal.detail = "jobs[" + std::to_string(i) + "]: " + refusal.field + ": " + refusal.detail;
      co_return refusal;
    }
    specs.push_back(std::move(*spec));
  }
  std::map<std::string, std::string> waiting;
  std::map<std::string, std::string> left_out;
  MayLeaveOut may_leave_out = [&waiting, &left_out, unfit](const std::string& path, const Refusal& why) {
    const bool waits = why.kind == Refusal::Kind::unavailable;
    (waits ? waiting : left_out)[path] = why.detail;
    return waits || unfit == Unfit::leave_out;
  };
  Outcome<Lines> lines =
      co_await registry.reconcile(options.tenant, std::move(specs), std::move(may_leave_out));
  if (!lines) {
    co_return lines.refusal();
  }
  for (const auto& [path, why] : left_out) {
    spdlog::error("event=config_job_refused store_path={:?} error={:?}", path, why);
  }
  for (const auto& [path, why] : waiting) {
    if (!jobs_waiting.contains(path)) {
      spdlog::warn("event=config_job_waits store_path={:?} reason={:?}", path, why);
    }
  }
  jobs_waiting = std::move(waiting);
  config_jobs = std::move(jobs);
  co_return lines;
}

void Runner::Impl::sink_answered() {
  if (jobs_waiting.empty() || stopped) {
    return;
  }
  taking_up += 1;
  running += 1;
  asio::co_spawn(loop, counted(take_up(), running), asio::detached);
}

asio::awaitable<void> Runner::Impl::take_up() {
  const Turns::Turn turn = co_await config_turns.take();
  std::vector<std::string> jobs = config_jobs;
  Outcome<Lines> lines = co_await reconcile(std::move(jobs), Unfit::leave_out);
  taking_up -= 1;
  if (!lines) {
    spdlog::error("event=config_jobs_refused error={:?}", lines.refusal().detail);
    co_return;
  }
  for (const std::string& line : *lines) {
    if (!line.starts_with("left ")) {
      spdlog::info("event=config_job_taken_up what={:?}", line);
    }
  }
}

asio::awaitable<Outcome<std::vector<std::string>>> Runner::reconcile(std::vector<std::string> jobs) {
  const Turns::Turn turn = co_await impl_->config_turns.take();
  co_return co_await impl_->reconcile(std::move(jobs), Unfit::leave_out);
}

asio::awaitable<Outcome<std::vector<std::string>>> Runner::reload(std::vector<SourceEntry> sources,
                                                                  std::vector<std::string> gone,
                                                                  std::vector<std::string> jobs) {
  const Turns::Turn turn = co_await impl_->config_turns.take();
  std::map<std::string, SourcePart> before = impl_->sources;
  for (SourceEntry& entry : sources) {
    impl_->sources[entry.name] = {.server = entry.server, .fetcher = std::move(entry.fetcher)};
  }
  for (const std::string& name : gone) {
    impl_->sources.erase(name);
  }
  Outcome<std::vector<std::string>> lines = co_await impl_->reconcile(std::move(jobs), Unfit::refuse_all);
  if (!lines) {
    impl_->sources = std::move(before);
    co_return lines.refusal();
  }
  for (const Stream* stream : impl_->registry.streams()) {
    StreamRunner* runner = impl_->scheduler.find({stream->tenant, stream->id});
    if (runner != nullptr) {
      runner->use(impl_->fetcher_of(*stream));
    }
  }
  co_return lines;
}

}  // namespace settle::runner
