// Law 8: what goes out in the end depends on the source's final history, not on when it was asked.

#include "tests/engine/story.hpp"

namespace settle::test {
namespace {

constexpr int kMinutes = 12;
constexpr Duration kStillFrom = 7min;  // nothing changes in a bucket that is older than this

/// One run of a source that grows, is revised and has holes: always the same source for the same seed.
class GrowingSource {
 public:
  explicit GrowingSource(std::uint64_t seed) : seed_(seed) {}

  [[nodiscard]] std::optional<Value> value(int series, int minute, Duration age) const {
    Dice fate{seed_ ^ static_cast<std::uint64_t>(minute * 100 + series)};
    const bool missing = fate.chance(30);
    const Duration growing = 1s * fate.below(240);
    const Duration born = fate.chance(10) ? Duration{1s * fate.below(400)} : Duration{0};
    const Duration revised_at = fate.chance(20) ? Duration{1s * fate.below(400)} : kStillFrom;
    const std::uint64_t full = fate.below(1000);
    if (missing || age <= 0s || age < born) return std::nullopt;
    if (age < growing) return Value::count(full * static_cast<std::uint64_t>(age / 1s) / 240);
    return Value::number(static_cast<double>(age < revised_at ? full : full / 2) / 4);
  }

 private:
  std::uint64_t seed_;
};

using Final = std::map<std::pair<Time, std::string>, Value>;

/// Polls from `first` on, every `every`, until all is sealed; what was emitted last, by cell.
template <class E>
Final run(const engine::EngineOptions& options, const GrowingSource& source, Duration first, Duration every) {
  Story<E> story{options};
  Final last;
  const auto take = [&](const std::vector<NaiveSample>& samples) {
    for (const auto& sample : samples) last[{sample.bucket, sample.series}] = sample.value;
  };
  for (Duration now = first; now < 1min * kMinutes + 2 * kStillFrom + 20min; now += every) {
    HistoryPart part{"a", {kMinuteZero, kMinuteZero + 1min * kMinutes}, {}, kMinuteZero + now - 20s, {}};
    for (int minute = 0; minute < kMinutes; ++minute) {
      for (int series = 0; series < 3; ++series) {
        const auto value = source.value(series, minute, now - 1min * minute);
        if (!value) continue;
        part.rows.push_back({"m{s=\"" + std::to_string(series) + "\"}", kMinuteZero + 1min * minute, *value});
      }
    }
    take(story.engine().ingest(make_answer({part}), kMinuteZero + now));
    take(story.engine().expire(kMinuteZero + now));
  }
  EXPECT_EQ(story.stats().ttl, 0U);
  EXPECT_EQ(story.live_from(), kMinutes);
  return last;
}

std::string shown(const Final& final) {
  std::string out;
  for (const auto& [key, value] : final) {
    out += key.second + " " + engine::format_time(key.first) + " " + engine::format_value(value) + "\n";
  }
  return out;
}

template <class E>
std::string compare_schedules(std::uint64_t seed) {
  Dice dice{seed};
  auto options = story_options();
  options.watch = 20min;
  options.ttl = 20min;
  options.finality =
      dice.chance(60) ? engine::Finality{engine::Consecutive{static_cast<std::uint32_t>(1 + dice.below(4))}}
                      : engine::Finality{engine::Fixed{dice.one_of<Duration>({1min, 3min, 8min})}};
  options.absent = dice.one_of({engine::Absent::none, engine::Absent::zero});
  options.absent_for = dice.one_of<Duration>({2min, 1h});
  const GrowingSource source{seed};
  const auto live = run<E>(options, source, 10s, 1s * (7 + dice.below(40)));
  const auto other = run<E>(options, source, 1s * dice.below(600), 1s * (7 + dice.below(40)));
  const auto after = run<E>(options, source, 1min * kMinutes + kStillFrom, 30s);
  if (live != other) return "two live schedules differ:\n" + shown(live) + "and\n" + shown(other);
  if (live != after) return "live and afterwards differ:\n" + shown(live) + "and\n" + shown(after);
  return "";
}

template <class E>
class LawOfHistory : public ::testing::Test {};
TYPED_TEST_SUITE(LawOfHistory, BothEngines);

TYPED_TEST(LawOfHistory, No8TheSameFinalHistoryGivesTheSameValuesHoweverItWasPolled) {
  EXPECT_TRUE(holds_for_seeds("law 8: final history", compare_schedules<TypeParam>));
}

}  // namespace
}  // namespace settle::test
