// Who does which bucket: a bucket stands in the `todo` of every backfill of the job that was asked for it
// while it was not done, and leaves them all with the commit of the one that filled it. So a backfill that is
// cancelled takes nothing with it.
#include <algorithm>
#include <tuple>
#include <utility>

#include <spdlog/spdlog.h>

#include "runner/backfill/backfill_lane_impl.hpp"

namespace settle::runner {

namespace asio = boost::asio;
using engine::Ranges;
using engine::Time;
using engine::TimeRange;

namespace {

constexpr engine::Duration kPaceMax = std::chrono::hours{24 * 365};
// What began later than this after it was due was held up by something else than a look around.
constexpr std::chrono::milliseconds kRateLate{1'000};

bool is_older(const BackfillRecord* a, const BackfillRecord* b) {
  return std::tie(a->created_at, a->id) < std::tie(b->created_at, b->id);
}

}  // namespace

std::vector<BackfillLane::Impl::Listed> BackfillLane::Impl::of_job(const std::string& job_id) const {
  std::vector<Listed> items;
  for (auto at = backfills.lower_bound({job_id, ""}); at != backfills.end() && at->first.first == job_id;
       ++at) {
    items.push_back(&at->second);
  }
  return items;
}

Ranges BackfillLane::Impl::done_for(const std::string& job_id) const {
  Ranges done;
  for (const BackfillItem* item : of_job(job_id)) {
    done.add(done_of(item->record));
  }
  return done;
}

/// The other records of the job that were to do buckets of `range`, without them. A forced one reads for
/// itself.
std::vector<BackfillRecord> BackfillLane::Impl::without(const BackfillId& by, TimeRange range) const {
  std::vector<BackfillRecord> changed;
  for (const BackfillItem* item : of_job(by.first)) {
    const BackfillRecord& held = item->record;
    if (held.id == by.second || is_over(held.state) || held.request.force) {
      continue;
    }
    Ranges todo = held.todo;
    todo.remove(range);
    if (todo == held.todo) {
      continue;
    }
    BackfillRecord& record = changed.emplace_back(held);
    record.todo = std::move(todo);
    if (record.todo.empty() && record.served) {
      record.state = BackfillState::done;
      record.finished_at = parts.clocks.wall_now();
    }
  }
  return changed;
}

/// The oldest that are over, where there are too many: what they did is read again when it is asked for.
std::vector<BackfillId> BackfillLane::Impl::too_many(const std::string& job_id) const {
  std::vector<const BackfillRecord*> over;
  const std::vector<Listed> all = of_job(job_id);
  for (const BackfillItem* item : all) {
    if (is_over(item->record.state) && !item->in_hand) {
      over.push_back(&item->record);
    }
  }
  const std::size_t more = all.size() + 1 - std::min(all.size() + 1, options.kept_max);
  std::vector<BackfillId> gone;
  if (more == 0) {
    return gone;
  }
  std::sort(over.begin(), over.end(), is_older);
  over.resize(std::min(over.size(), more));
  for (const BackfillRecord* record : over) {
    gone.emplace_back(job_id, record->id);
  }
  return gone;
}

std::optional<Refusal> BackfillLane::Impl::refuse_more(const std::string& job_id) const {
  const std::vector<Listed> all = of_job(job_id);
  const auto open = std::count_if(all.begin(), all.end(),
                                  [](const BackfillItem* item) { return !is_over(item->record.state); });
  if (static_cast<std::size_t>(open) < options.open_max) {
    return std::nullopt;
  }
  return Refusal{
      .kind = Refusal::Kind::conflict,
      .field = {},
      .detail = "the job has " + std::to_string(open) +
                " backfills that are not over, and no more are taken: wait for one of them, cancel "
                "one, or ask for one longer range",
      .job_id = job_id};
}

/// Forgets what has been over for long enough.
asio::awaitable<void> BackfillLane::Impl::prune() {
  if (working == 0) {  // else a fill may be at work on one of them
    std::erase_if(gap_items, [this](const auto& one) {
      return parts.registry.find_stream(one.first.first, one.first.second) == nullptr;
    });
  }
  std::erase_if(sent, [](const auto& one) { return one.second.use_count() == 1; });
  WriteBatch batch;
  const Time wall = parts.clocks.wall_now();
  const Time source = parts.clocks.source_now();
  std::vector<BackfillId> gone;
  for (const auto& [id, item] : backfills) {
    if (is_over(item.record.state) && !item.in_hand && item.record.finished_at &&
        *item.record.finished_at + options.keep < wall) {
      batch.erase(Table::backfills, backfill_key(item.record));
      gone.push_back(id);
    }
  }
  std::vector<std::pair<GapStream, std::string>> old;
  for (const auto& [stream, items] : gap_items) {
    for (const auto& [key, item] : items) {
      if (item.entry.closed_at && *item.entry.closed_at + options.keep < source) {
        batch.erase(Table::gaps, key);
        old.emplace_back(stream, key);
      }
    }
  }
  if (batch.empty()) {
    co_return;
  }
  const engine::Result<Committed> done = co_await parts.store.commit(std::move(batch));
  if (!done) {
    co_return;  // the next round tries again
  }
  for (const BackfillId& id : gone) {
    backfills.erase(id);
  }
  for (const auto& [stream, key] : old) {
    gap_items[stream].erase(key);
  }
}

/// With a rate: when the samples of the chunk in hand will be worth their time.
SteadyTime BackfillLane::Impl::pace(const BackfillItem& item, std::uint64_t samples) {
  if (!item.record.request.rate) {
    return {};
  }
  const double ms = static_cast<double>(samples) / *item.record.request.rate * 1000;
  const auto most = static_cast<double>(kPaceMax.count());
  // From when it was due, not from when somebody looked: small chunks do not fall behind.
  const bool in_time = item.begun_at - item.paced_until < kRateLate;
  return (in_time ? item.paced_until : item.begun_at) +
         engine::Duration{static_cast<std::int64_t>(std::clamp(ms, 0.0, most))};
}

/// What is left of the pause of a rate, also after a restart: never longer than it was.
void BackfillLane::Impl::keep_pace(BackfillItem& item) const {
  if (!item.record.paced_until) {
    return;
  }
  const engine::Duration left =
      std::clamp(*item.record.paced_until - parts.clocks.wall_now(), engine::Duration{},
                 std::clamp(item.record.pace, engine::Duration{}, kPaceMax));
  if (left > engine::Duration{}) {
    item.paced_until = parts.clocks.steady_now() + left;
    item.wait.until = item.paced_until;
    item.wait.why = kWhyPaced;
  }
}

}  // namespace settle::runner
