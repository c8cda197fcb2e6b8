#include "runner/backfill/backfill_lane.hpp"

#include <algorithm>
#include <exception>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <spdlog/spdlog.h>
#include <xxhash.h>

#include "runner/backfill/backfill_lane_impl.hpp"
#include "runner/pool.hpp"
#include "runner/store/keys.hpp"

namespace settle::runner {

namespace asio = boost::asio;
using engine::Time;
using std::chrono::milliseconds;

namespace {

// What holds work up is looked at again after so long (real time).
constexpr milliseconds kLookAround{1'000};
constexpr milliseconds kLookAroundPaced{50};  // while a backfill keeps to a rate
constexpr milliseconds kPruneEvery{600'000};
// A stream of which a scope fails may still answer for others: tried in spite of the live lane's error.
constexpr milliseconds kTryFailing{300'000};
constexpr int kRebuildsMax = 5;
constexpr const char* kWhyNoRoom =
    "the store is so full that what is left is for the live lane (60 % of store.max_bytes): raise it, or "
    "shorten retention.ledger";

/// Doubles with every failure, up to the longest, and a random part of it, the same in every run.
milliseconds backoff(const BackfillOptions& options, std::uint32_t attempts, const std::string& id) {
  const std::uint32_t doublings = std::min(attempts == 0 ? 0 : attempts - 1, 20u);
  const milliseconds whole =
      std::min(options.backoff_min * (std::int64_t{1} << doublings), options.backoff_max);
  const std::uint64_t random = XXH3_64bits_withSeed(id.data(), id.size(), attempts);
  return whole / 2 + milliseconds{static_cast<std::int64_t>(random % 1024) * (whole.count() / 2) / 1024};
}

}  // namespace

engine::Result<void> BackfillLane::Impl::load() {
  engine::Result<void> outcome;
  const ReadTransaction view = parts.store.read();
  view.scan(Table::backfills, "", "", [&](std::string_view, std::string_view bytes) {
    engine::Result<BackfillRecord> record = decode_backfill(bytes);
    if (!record) {
      outcome = record.error();
      return false;
    }
    const BackfillId id{record->job_id, record->id};
    BackfillItem& item = backfills[id];
    item.record = *std::move(record);
    keep_pace(item);
    return true;
  });
  if (!outcome) {
    return outcome;
  }
  for (const Stream* stream : parts.registry.streams()) {
    load_gaps({stream->tenant, stream->id});
  }
  return outcome;
}

/// Items are made or changed where they stand: a fill may be at work on one of them. What leaves the store is
/// taken out by whoever took it out there.
void BackfillLane::Impl::load_gaps(const GapStream& stream) {
  const std::string prefix = key_of(stream.first, stream.second);
  const ReadTransaction view = parts.store.read();
  view.scan(Table::gaps, prefix, prefix_end(prefix), [&](std::string_view key, std::string_view bytes) {
    engine::Result<GapEntry> entry = decode_gap(bytes);
    if (!entry) {
      spdlog::error("event=gap_unreadable stream={} error={:?}", stream.second, entry.error().detail);
      return true;
    }
    entry->gap.cells.clear();
    GapEntry& held = gap_items[stream][std::string{key}].entry;
    if (held.noticed_at == entry->noticed_at && held.attempts > entry->attempts) {
      entry->attempts = held.attempts;  // the store has some of them only
      entry->last_error = held.last_error;
    }
    held = *std::move(entry);
    return true;
  });
}

std::vector<const Job*> BackfillLane::Impl::jobs_of(const Stream& stream) const {
  std::vector<const Job*> jobs;
  for (const std::string& id : stream.job_ids) {
    if (const Job* job = parts.registry.find(stream.tenant, id)) {
      jobs.push_back(job);
    }
  }
  return jobs;
}

std::optional<Time> BackfillLane::Impl::served_from(const Job& job) const {
  const ReadTransaction view = parts.store.read();
  const auto mark =
      view.get(Table::meta, served_prefix(job.tenant, job.stream_id) + output_identity(job.spec));
  if (!mark) {
    return std::nullopt;
  }
  if (const auto from = read_served(*mark).from) {
    return from;
  }
  const StreamStatus* status = parts.stream_status(job.tenant, job.stream_id);
  return status == nullptr ? std::nullopt : std::optional{status->live_from};
}

std::string BackfillLane::Impl::source_of(const BackfillRecord& record) const {
  const Job* job = parts.registry.find(record.tenant, record.job_id);
  return job == nullptr ? std::string{} : job->spec.source;
}

bool BackfillLane::Impl::may_start(Wait& wait, const Stream& stream, std::span<const Job* const> jobs) {
  const auto holds = [&wait](std::string why) {
    wait.why = std::move(why);
    return false;
  };
  const StreamStatus* status = parts.stream_status(stream.tenant, stream.id);
  if (status == nullptr || !parts.source(stream)) {
    return holds("source " + stream.source + " is not configured, or its stream does not run");
  }
  for (const Job* job : jobs) {
    if (std::string why = parts.why_wait(*job); !why.empty()) {
      return holds(std::move(why));
    }
  }
  if (parts.live_is_busy()) {
    return holds("live ticks go first");
  }
  const SteadyTime now = parts.clocks.steady_now();
  if (status->last_error.empty()) {
    wait.live_fails_since.reset();
  } else {
    wait.live_fails_since = wait.live_fails_since.value_or(now);
    if (now - *wait.live_fails_since < kTryFailing) {
      return holds("the source fails: " + status->last_error);
    }
  }
  wait.why.clear();
  return true;
}

std::shared_ptr<SentIndex> BackfillLane::Impl::sent_of(const Job& job) {
  std::shared_ptr<SentIndex>& index = sent[job.tenant + '\0' + output_identity(job.spec)];
  if (!index) {
    index = std::make_shared<SentIndex>(job.tenant, job.spec);
  }
  return index;
}

void BackfillLane::Impl::fail(Wait& wait, const std::string& id, std::string why) {
  wait.attempts += 1;
  wait.why = std::move(why);
  wait.failing_since = wait.failing_since.value_or(parts.clocks.source_now());
  wait.live_fails_since.reset();
  wait.until = parts.clocks.steady_now() + backoff(options, wait.attempts, id);
}

bool BackfillLane::Impl::due(const GapItem& item, const StreamStatus* status) const {
  if (!due(item.wait)) {
    return false;
  }
  if (item.slowly <= parts.clocks.steady_now()) {
    return true;
  }
  const std::optional<Time> frontier = frontier_of(status, item.entry.gap.scope);
  return item.awaits && frontier && *frontier >= *item.awaits;
}

/// The newest one that may be tried.
std::optional<BackfillLane::Impl::Pick> BackfillLane::Impl::next_gap(const std::string& source) {
  std::optional<Pick> best;
  Time newest = Time::min();
  for (auto& [key, items] : gap_items) {
    const Stream* stream = parts.registry.find_stream(key.first, key.second);
    if (stream == nullptr || stream->source != source || stream->job_ids.empty()) {
      continue;
    }
    const std::vector<const Job*> jobs = jobs_of(*stream);
    const StreamStatus* status = parts.stream_status(key.first, key.second);
    for (auto& [gap_key, item] : items) {
      const bool closed = item.entry.state == GapState::filled || item.entry.state == GapState::impossible;
      if (closed || !due(item, status) || (best && item.entry.gap.range.from <= newest) ||
          !may_start(item.wait, *stream, jobs)) {
        continue;
      }
      newest = item.entry.gap.range.from;
      best = Pick{.gap = true, .backfill = {}, .stream = key, .key = gap_key};
    }
  }
  return best;
}

std::optional<BackfillLane::Impl::Pick> BackfillLane::Impl::next_for(const std::string& source) {
  if (!source.empty()) {
    if (std::optional<Pick> gap = next_gap(source)) {
      return gap;
    }
  }
  std::optional<Pick> best;
  std::uint64_t longest_ago = 0;
  for (auto& [id, item] : backfills) {
    const BackfillRecord& record = item.record;
    if (is_over(record.state) || source_of(record) != source || !due(item.wait)) {
      continue;
    }
    const Job* job = parts.registry.find(record.tenant, record.job_id);
    if (job != nullptr && parts.store.fill() >= options.store_fill_max) {
      item.wait.why = kWhyNoRoom;
      continue;
    }
    if (job != nullptr) {
      const Stream* stream = parts.registry.find_stream(job->tenant, job->stream_id);
      const bool paused = record.state == BackfillState::paused;
      if (paused || stream == nullptr || !may_start(item.wait, *stream, std::span{&job, 1})) {
        continue;
      }
    }
    if (!best || item.served_at < longest_ago) {
      longest_ago = item.served_at;
      best = Pick{.gap = false, .backfill = id, .stream = {}, .key = {}};
    }
  }
  return best;
}

asio::awaitable<void> BackfillLane::Impl::work(std::string source) {
  while (!stopped) {
    const std::optional<Pick> pick = next_for(source);
    if (!pick) {
      break;
    }
    std::string failure;
    try {
      if (pick->gap) {
        co_await fill_gap(pick->stream, pick->key);
      } else {
        BackfillItem& item = backfills.at(pick->backfill);
        item.served_at = ++turns_given;
        item.in_hand = true;
        co_await step(pick->backfill);
      }
    } catch (const std::exception& thrown) {
      failure = thrown.what();
    }
    if (!pick->gap) {
      backfills.at(pick->backfill).in_hand = false;
    }
    if (!failure.empty()) {
      spdlog::error("event=backfill_error source={:?} error={:?}", source, failure);
      if (pick->gap) {
        fail(gap_items[pick->stream][pick->key].wait, pick->key, failure);
      } else {
        fail(backfills.at(pick->backfill).wait, pick->backfill.second, failure);
      }
    }
  }
  busy.erase(source);
  working -= 1;
}

void BackfillLane::Impl::start_due() {
  std::set<std::string> sources;
  for (const auto& [id, item] : backfills) {
    if (!is_over(item.record.state)) {
      sources.insert(source_of(item.record));
    }
  }
  for (const auto& [key, items] : gap_items) {
    const Stream* stream = items.empty() ? nullptr : parts.registry.find_stream(key.first, key.second);
    if (stream != nullptr) {
      sources.insert(stream->source);
    }
  }
  for (const std::string& source : sources) {
    if (!busy.contains(source) && next_for(source)) {
      busy.insert(source);
      working += 1;
      asio::co_spawn(parts.loop, work(source), asio::detached);
    }
  }
}

void BackfillLane::Impl::kick() {
  if (starting || stopped) {
    return;
  }
  starting = true;
  asio::post(parts.loop, [this] {
    starting = false;
    if (!stopped) {
      start_due();
    }
  });
}

asio::awaitable<bool> BackfillLane::Impl::commit(WriteBatch batch, GapStream of,
                                                 std::vector<std::string> job_ids, std::string* why) {
  for (int tries = 0; tries < kRebuildsMax; ++tries) {
    const Stream* stream = parts.registry.find_stream(of.first, of.second);
    const bool all_there =
        stream != nullptr && std::all_of(job_ids.begin(), job_ids.end(), [&](const auto& id) {
          return parts.registry.find(of.first, id) != nullptr;
        });
    if (!all_there) {
      *why = "a job was deleted meanwhile";
      co_return false;
    }
    WriteBatch copy = batch;
    copy.require(Table::streams, key_of(of.first, of.second), stream->record);
    const engine::Result<Committed> done = co_await parts.store.commit(std::move(copy));
    if (done) {
      co_return true;
    }
    *why = done.error().detail;
    if (done.error().kind != engine::ErrorKind::refused) {
      co_return false;
    }
  }
  co_return false;
}

void BackfillLane::Impl::count(const ChunkDone& done) {
  for (const auto& [reason, number] : done.reasons) {
    parts.metrics.samples.Add({{"reason", std::string{engine::reason_text(reason)}}})
        .Increment(static_cast<double>(number));
  }
  for (const auto& [sink, rows] : done.rows_by_sink) {
    if (rows > 0) {
      parts.committed(sink, rows);
    }
  }
}

asio::awaitable<void> BackfillLane::Impl::run() {
  next_prune = parts.clocks.steady_now() + kPruneEvery;
  while (!stopped) {
    start_due();
    if (parts.clocks.steady_now() >= next_prune) {
      next_prune = parts.clocks.steady_now() + kPruneEvery;
      co_await prune();
    }
    if (!stopped) {
      const milliseconds pause = is_paced() ? kLookAroundPaced : kLookAround;
      co_await parts.clocks.sleep_for(pause);
    }
  }
  while (working > 0) {
    co_await wait_a_moment();
  }
}

BackfillLane::BackfillLane(Parts parts, BackfillOptions options)
    : impl_(std::make_unique<Impl>(Impl{.parts = std::move(parts), .options = options})) {}

BackfillLane::~BackfillLane() = default;

engine::Result<void> BackfillLane::load() {
  return impl_->load();
}

asio::awaitable<void> BackfillLane::run() {
  co_await impl_->run();
}

void BackfillLane::stop() {
  impl_->stopped = true;
}

bool BackfillLane::at_rest() const {
  return impl_->working == 0 && !impl_->starting;
}

void BackfillLane::gaps_added(const std::string& tenant, const std::string& stream_id) {
  impl_->load_gaps({tenant, stream_id});
  impl_->kick();
}

}  // namespace settle::runner
