// Counter output: what the fill of a gap brings comes into the totals once, whatever crashes. The sum of the
// source's truth is what a total has to be.
#include <algorithm>
#include <map>

#include <gtest/gtest.h>

#include "tests/runner/backfill/backfill_world.hpp"

namespace settle::runner {
namespace {

const Time kFirst = kNoon - 10min;  // L of a job that is posted at noon

std::string counter_job(const std::string& corrections, const std::string& ttl = "10m") {
  return job_json("a/b", R"(,"poll_interval":"30s","watch":"10m","ttl":")" + ttl +
                             R"(","finality":"consecutive:4","output":"counter",)" + R"("corrections":")" +
                             corrections + "\"");
}

Value as_it_is(Time bucket, Time) {
  return Value::count(truth(bucket));
}

/// Final by the policy with half of it, long before the rest comes.
Value in_two_halves(Time bucket, Time now) {
  return Value::count(now - bucket < 5min ? truth(bucket) / 2 : truth(bucket));
}

test::Script unless(const bool& down, Shown shown) {
  return [&down, shown](const fetchers::FetchRequest& request) {
    return down ? test::unreachable("source") : say_all(request, shown);
  };
}

/// The newest value of each timestamp.
std::map<Time, std::uint64_t> totals(const RunnerRig& rig, const std::string& series = kSeries) {
  std::map<Time, std::uint64_t> newest;
  for (const auto& [key, values] : rig.received()) {
    if (key.first == series) newest[key.second] = values.back().as_count();
  }
  return newest;
}

std::uint64_t sum_of(const Shown& shown, Time from, Time through) {
  std::uint64_t sum = 0;
  for (Time bucket = from; bucket <= through; bucket += 1min) {
    if (const auto value = shown(bucket, Time::max())) sum += value->as_count();
  }
  return sum;
}

/// Totals never fall, and those of [from, to) are the sums of all that ever was.
void expect_sums(const RunnerRig& rig, Time from, Time to, const std::string& series = kSeries,
                 const Shown& shown = as_it_is) {
  const std::map<Time, std::uint64_t> all = totals(rig, series);
  std::uint64_t before = 0;
  for (const auto& [bucket, total] : all) {
    EXPECT_GE(total, before) << series << " falls at " << engine::format_time(bucket);
    before = total;
  }
  for (Time bucket = from; bucket < to; bucket += 1min) {
    ASSERT_TRUE(all.contains(bucket)) << series << " lacks " << engine::format_time(bucket);
    EXPECT_EQ(all.at(bucket), sum_of(shown, kFirst, bucket)) << series << " " << engine::format_time(bucket);
  }
}

void expect_closed(World& world) {
  ASSERT_FALSE(world.gaps().empty());
  for (const GapStatus& gap : world.gaps()) {
    EXPECT_TRUE(gap.state == GapState::filled || gap.state == GapState::impossible) << gap.last_error;
  }
}

class CounterGap : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Corrections, CounterGap, ::testing::Values("repush", "hold"));

TEST_P(CounterGap, ComesIntoTheTotalsAfterAnOutage) {
  bool down = false;
  World world{unless(down, as_it_is), counter_job(GetParam())};
  world.rig.pass(12min, 5s);
  down = true;
  world.rig.pass(3h, 30s);
  down = false;
  world.rig.pass(20min, 5s);
  expect_closed(world);
  expect_sums(world.rig, kNoon + 3h + 6min, kNoon + 3h + 30min);
  EXPECT_EQ(world.gaps_open(), 0u);
}

TEST_P(CounterGap, OfValuesThatGrewMeanwhileBringsOnlyTheDifference) {
  bool down = false;
  World world{unless(down, in_two_halves), counter_job(GetParam())};
  world.rig.pass(25min, 5s);
  down = true;
  world.rig.pass(2h, 30s);
  down = false;
  world.rig.pass(30min, 5s);
  expect_closed(world);
  if (GetParam() == "repush") {
    expect_sums(world.rig, kNoon + 2h + 20min, kNoon + 2h + 50min);
    return;
  }
  // Held back: the newest total waits for what its bucket and those just before it still get.
  const std::map<Time, std::uint64_t> all = totals(world.rig);
  const auto [bucket, total] = *all.rbegin();
  EXPECT_LE(total, sum_of(as_it_is, kFirst, bucket));
  EXPECT_GE(total, sum_of(as_it_is, kFirst, bucket - 6min));
}

TEST_P(CounterGap, IsCountedOnceThoughItCrashesAgainAndAgain) {
  bool down = false;
  World world{unless(down, in_two_halves), counter_job(GetParam())};
  world.rig.pass(12min, 5s);
  down = true;
  world.rig.pass(3h, 30s);
  world.rig.crash();
  world.rig.options.backfill.samples_per_chunk = 10;
  world.rig.start();
  down = false;
  for (int i = 0; i < 25; ++i) {
    world.rig.pass(std::chrono::seconds{7 + i}, 1s);
    world.rig.crash();
    world.rig.start();
  }
  world.rig.pass(40min, 5s);
  expect_closed(world);
  EXPECT_EQ(world.gaps().size(), 1u);
  const std::map<Time, std::uint64_t> all = totals(world.rig);
  const Time settled = all.rbegin()->first - 6min;
  if (GetParam() == "repush") {
    expect_sums(world.rig, settled - 10min, settled);
  } else {
    EXPECT_LE(all.rbegin()->second, sum_of(as_it_is, kFirst, all.rbegin()->first));
    EXPECT_GE(all.rbegin()->second, sum_of(as_it_is, kFirst, settled));
  }
}

TEST_P(CounterGap, ThatIsFilledLateRaisesWhatIsStillLive) {
  bool down = false;
  bool old_down = true;
  World world{[&](const fetchers::FetchRequest& request) {
                fetchers::FetchResult result;
                const bool old = request.range.from < request.now - 25min;
                if (down || (old && old_down)) return test::unreachable("source");
                say("source", kSeries, request, as_it_is, result);
                return result;
              },
              counter_job(GetParam())};
  world.rig.pass(12min, 5s);
  down = true;
  world.rig.pass(2h, 30s);
  down = false;
  world.rig.pass(30min, 5s);
  const Time before = totals(world.rig).rbegin()->first;
  EXPECT_LT(totals(world.rig).rbegin()->second, sum_of(as_it_is, kFirst, before));
  old_down = false;
  world.rig.pass(20min, 5s);
  expect_closed(world);
  expect_sums(world.rig, before + 12min, before + 18min);
  for (const auto& [key, values] : world.rig.received()) {
    const bool may_differ = GetParam() == "repush";
    EXPECT_TRUE(may_differ || values.size() == 1) << "hold sends each total once";
  }
}

TEST(CounterGaps, BringSeriesThatWereNotKnownAndKeepThoseThatCameToAnEnd) {
  bool down = false;
  const Time born = kNoon + 1h;
  const std::string late = "requests_total{born=\"late\"}";
  const Shown of_late = [&](Time bucket, Time) {
    return bucket < born ? std::nullopt : std::optional{Value::count(truth(bucket))};
  };
  World world{[&](const fetchers::FetchRequest& request) {
                fetchers::FetchResult result;
                if (down) return test::unreachable("source");
                say("source", kSeries, request, as_it_is, result);
                say("source", late, request, of_late, result);
                return result;
              },
              counter_job("repush")};
  world.rig.pass(12min, 5s);
  down = true;
  world.rig.pass(3h, 30s);
  world.rig.crash();
  world.rig.options.backfill.samples_per_chunk = 10;
  world.rig.start();
  down = false;
  world.rig.pass(20min, 5s);
  expect_closed(world);
  expect_sums(world.rig, kNoon + 3h + 8min, kNoon + 3h + 30min);
  expect_sums(world.rig, kNoon + 3h + 8min, kNoon + 3h + 30min, late, of_late);
}

TEST(CounterGaps, CountWhatWasLastObservedWhereTheSourceHasItNoMore) {
  bool down = false;
  const Time lost_before = kNoon + 1h;
  std::map<Time, Value> seen;  // last, before the outage
  const Shown shown = [&](Time bucket, Time now) {
    const Value value = in_two_halves(bucket, now);
    if (now < kNoon + 30min) seen[bucket] = value;
    return now > kNoon + 90min && bucket < lost_before ? std::nullopt : std::optional{value};
  };
  World world{unless(down, shown), counter_job("repush")};
  world.rig.pass(12min, 5s);
  down = true;
  world.rig.pass(2h, 30s);
  down = false;
  world.rig.pass(30min, 5s);
  expect_closed(world);
  const Shown ever_seen = [&](Time bucket, Time now) -> std::optional<Value> {
    if (bucket >= lost_before) return as_it_is(bucket, now);
    return seen.contains(bucket) ? std::optional{seen.at(bucket)} : std::nullopt;
  };
  expect_sums(world.rig, kNoon + 2h + 20min, kNoon + 2h + 30min, kSeries, ever_seen);
  const std::vector<GapStatus> gaps = world.gaps();
  EXPECT_TRUE(std::any_of(gaps.begin(), gaps.end(), [](const GapStatus& gap) {
    return gap.state == GapState::impossible && gap.reason.find("in the totals") != std::string::npos;
  }));
}

/// One scope fails; in the other a cell never comes to rest, so that its neighbours seal and it does not. The
/// polls meet each bucket at another age.
TEST(CounterGaps, CountNothingTwiceOfAScopeThatWasAnsweredBesideOneThatWasNot) {
  bool down = false;
  const std::string moving = "requests_total{moves=\"always\"}";
  const std::string other = "requests_total{zone=\"b\"}";
  std::map<Time, unsigned> shown;
  const Shown growing = [&shown](Time bucket, Time now) {
    const unsigned more = now < kNoon + 2h ? shown[bucket]++ : 0;
    return Value::count(truth(bucket) + more);
  };
  World world{[&](const fetchers::FetchRequest& request) {
                fetchers::FetchResult result = down ? test::unreachable("b") : fetchers::FetchResult{};
                say("a", kSeries, request, as_it_is, result);
                say("a", moving, request, growing, result);
                if (!down) say("b", other, request, as_it_is, result);
                return result;
              },
              counter_job("repush", "8m")};
  world.rig.pass(12min, 5s);
  down = true;
  world.rig.pass(90min, 5s);
  bool mixed = false;
  for (const GapStatus& gap : world.gaps()) mixed = mixed || gap.scope == "a";
  EXPECT_TRUE(mixed) << "the case that is meant";
  down = false;
  world.rig.pass(2h, 10s);
  expect_closed(world);
  const Time newest = totals(world.rig).rbegin()->first;
  expect_sums(world.rig, newest - 5min, newest);
  expect_sums(world.rig, newest - 5min, newest, other);
}

TEST(CounterGaps, ArePartOfTheTotalsOnceThoughTheJobGoesAndComesBackMeanwhile) {
  bool down = false;
  World* rigged = nullptr;
  bool removed = false;
  World world{[&](const fetchers::FetchRequest& request) {
                fetchers::FetchResult result;
                if (down) return test::unreachable("source");
                if (rigged != nullptr && request.range.from < kNoon + 30min && !removed) {
                  removed = true;
                  rigged->rig.remove_soon(rigged->id);
                }
                say("source", kSeries, request, as_it_is, result);
                return result;
              },
              counter_job("repush")};
  world.rig.pass(12min, 5s);
  down = true;
  world.rig.pass(2h, 30s);
  down = false;
  rigged = &world;
  world.rig.pass(2min, 5s);
  ASSERT_TRUE(removed);
  const auto again = world.rig.post(counter_job("repush"));
  ASSERT_TRUE(again);
  world.id = again->job.id;
  world.rig.pass(25min, 5s);
  expect_closed(world);
  const Time newest = totals(world.rig).rbegin()->first;
  expect_sums(world.rig, newest - 5min, newest);
}

}  // namespace
}  // namespace settle::runner
