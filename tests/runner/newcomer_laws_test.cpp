// A job that joins a stream whose buckets are partly final: what it gets is what the others have, and from
// then on what they get.
#include <gtest/gtest.h>

#include "tests/runner/backfill/backfill_world.hpp"

namespace settle::runner {
namespace {

const std::string kStream = R"(,"poll_interval":"30s","watch":"10m")";

/// The truth, and so much more with every two minutes of age up to `until`.
test::Script changing(engine::Duration until) {
  return [until](const fetchers::FetchRequest& request) {
    return say_all(request, [until](Time bucket, Time now) {
      const auto age = std::clamp<engine::Duration>(now - bucket, 0min, until);
      return Value::count(truth(bucket) + static_cast<std::uint64_t>(age / 2min));
    });
  };
}

/// A second series that is there until kNoon + 5min.
fetchers::FetchResult vanishing(const fetchers::FetchRequest& request) {
  fetchers::FetchResult said = settled(request);
  say(
      "source", "requests_total{zone=\"b\"}", request,
      [](Time bucket, Time) {
        return bucket < kNoon + 5min ? std::optional{Value::count(truth(bucket))} : std::nullopt;
      },
      said);
  return said;
}

/// Of each (series, timestamp) the newcomer has the end of what the other has: never a sample of its own,
/// none before the other, none left out from its first bucket on. Returns how many timestamps it has.
std::size_t expect_end_of_the_others(RunnerRig& rig) {
  const Points points = emitted(rig, Lane::live);
  Time first = Time::max();
  std::size_t count = 0;
  for (const auto& [key, samples] : points) {
    if (!key.first.starts_with("other")) continue;
    SCOPED_TRACE(key.first + " at " + engine::format_time(key.second));
    first = std::min(first, key.second);
    count += 1;
    const auto others = points.find({kSeries + key.first.substr(5), key.second});
    if (others == points.end() || others->second.size() < samples.size()) {
      ADD_FAILURE() << "it has what the other has not";
      continue;
    }
    const auto end = others->second.end() - static_cast<std::ptrdiff_t>(samples.size());
    for (std::size_t i = 0; i < samples.size(); ++i) {
      const engine::Sample& theirs = end[static_cast<std::ptrdiff_t>(i)];
      EXPECT_EQ(samples[i].value, theirs.value);
      EXPECT_EQ(samples[i].revision, theirs.revision);
      EXPECT_TRUE(i == 0 || samples[i].revision > samples[i - 1].revision);
      EXPECT_FALSE(i == 0 && samples[i].replaced) << "it takes the place of none";
    }
  }
  for (const auto& [key, samples] : points) {
    if (!key.first.starts_with(kSeries) || key.second < first) continue;
    EXPECT_TRUE(points.contains({"other" + key.first.substr(kSeries.size()), key.second}))
        << key.first << " at " << engine::format_time(key.second);
  }
  return count;
}

/// A newcomer after 12 minutes; its first tick, a crash, and 15 minutes more.
void join(World& world, const std::string& settings) {
  world.rig.pass(12min, 5s);
  ASSERT_TRUE(world.rig.post(job_json("c", settings + R"(,"record":"other")")));
  EXPECT_EQ(expect_end_of_the_others(world.rig), 0u) << "its first tick is still to come";
  world.rig.pass(30s, 5s);
  EXPECT_GE(expect_end_of_the_others(world.rig), 5u);
  world.rig.crash();
  world.rig.start();
  world.rig.pass(15min, 5s);
  EXPECT_GE(expect_end_of_the_others(world.rig), 20u);
}

TEST(NewcomerLaws, GetsWhatIsFinalAndNothingThatIsOpen) {
  const std::string settings = kStream + R"(,"finality":"consecutive:4")";
  World world{growing, job_json("a/b", settings)};
  join(world, settings);
  for (const auto& [key, samples] : emitted(world.rig, Lane::live)) {
    EXPECT_EQ(samples.size(), 1u);
    EXPECT_EQ(samples[0].value, Value::count(truth(key.second)));
    if (key.second < kNoon) continue;  // the oldest of the first poll reach watch before they are quiet
    EXPECT_EQ(samples[0].reason, engine::Reason::settled);
  }
}

TEST(NewcomerLaws, GetsTheNewestOfWhatChangedAfterItsTtlAndWhatStillChanges) {
  const std::string settings = kStream + R"(,"ttl":"3m","finality":"consecutive:9")";
  World world{changing(9min), job_json("a/b", settings)};
  join(world, settings);
  std::size_t revised = 0;
  for (const auto& [key, samples] : emitted(world.rig, Lane::live)) {
    revised += key.first == "other" && samples.size() > 1 ? 1 : 0;
  }
  EXPECT_GE(revised, 5u) << "else nothing changed under it";
}

TEST(NewcomerLaws, GetsWhatWentOutWhereLaterChangesAreHeld) {
  const std::string settings = kStream + R"(,"finality":"fixed:1m","corrections":"hold")";
  World world{changing(9min), job_json("a/b", settings)};
  join(world, settings);
  for (const auto& [key, samples] : emitted(world.rig, Lane::live)) EXPECT_EQ(samples.size(), 1u);
}

TEST(NewcomerLaws, AddsUpToTheSameWhereChangesAreDifferences) {
  const std::string settings = kStream + R"(,"finality":"fixed:1m","corrections":"ledger")";
  World world{changing(9min), job_json("a/b", settings)};
  join(world, settings);
  std::map<Time, double> of_other;
  std::map<Time, double> of_first;
  for (const sinks::Row& row : world.rig.sink.rows) {
    const bool is_others = std::string{row.series}.starts_with("other");
    (is_others ? of_other : of_first)[row.timestamp] += row.value.as_double();
  }
  EXPECT_GE(of_other.size(), 20u);
  for (const auto& [stamp, sum] : of_other) EXPECT_EQ(sum, of_first[stamp]) << engine::format_time(stamp);
}

// Nothing is final before its seal, and what its first tick seals has no cell after that tick.
TEST(NewcomerLaws, GetsWhatItsFirstTickSeals) {
  const std::string settings = kStream + R"(,"finality":"consecutive:9")";
  World world{changing(20min), job_json("a/b", settings)};
  world.rig.pass(12min, 5s);
  const Points before = emitted(world.rig, Lane::live);
  ASSERT_TRUE(world.rig.post(job_json("c", settings + R"(,"record":"other")")));
  std::size_t sealed = 0;
  while (sealed == 0) {
    world.rig.pass(1s);
    const Points after = emitted(world.rig, Lane::live);
    for (const auto& [key, samples] : after) {
      if (key.first != kSeries || before.contains(key)) continue;
      sealed += 1;
      EXPECT_EQ(samples[0].reason, engine::Reason::ttl);
      EXPECT_TRUE(after.contains({"other", key.second})) << engine::format_time(key.second);
    }
  }
  EXPECT_EQ(expect_end_of_the_others(world.rig), sealed);
  world.rig.pass(5min, 5s);
  EXPECT_GE(expect_end_of_the_others(world.rig), 5u);
}

TEST(NewcomerLaws, GetsTheZerosOfWhatIsAbsent) {
  const std::string settings = kStream + R"(,"finality":"consecutive:4","absent":"zero")";
  World world{vanishing, job_json("a/b", settings)};
  join(world, settings);
  const Points points = emitted(world.rig, Lane::live);
  std::size_t zeros = 0;
  for (const auto& [key, samples] : points) {
    zeros += key.first == "other{zone=\"b\"}" && samples.back().value == Value::count(0) ? 1 : 0;
  }
  EXPECT_GE(zeros, 10u);
}

TEST(NewcomerLaws, GetsTheTotalsOfACounter) {
  const std::string settings = kStream + R"(,"finality":"consecutive:4","output":"counter")";
  World world{settled, job_json("a/b", settings)};
  join(world, settings);
}

}  // namespace
}  // namespace settle::runner
