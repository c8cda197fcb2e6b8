#include "cli/replay/shapes.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include "engine/model/series.hpp"

namespace settle::cli {
namespace {

using namespace std::chrono_literals;
using engine::Duration;
using engine::Time;

constexpr Time kStart = engine::from_epoch_ms(1'767'571'200'000);  // 2026-01-05T00:00:00Z
/// The source's answer is made anew every so often: what arrived meanwhile becomes visible together.
constexpr Duration kRefresh = 5s;
constexpr Duration kDay = 24h;

/// xoshiro256** (Blackman and Vigna 2018), seeded by SplitMix64.
class Numbers {
 public:
  Numbers(std::uint64_t seed, std::string_view name) {
    for (const char c : name) seed = seed * 1'000'003 + static_cast<unsigned char>(c);
    for (std::uint64_t& word : state_) word = mixed(seed);
  }

  std::uint64_t next() {
    const std::uint64_t result = turned(state_[1] * 5, 7) * 9;
    const std::uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = turned(state_[3], 45);
    return result;
  }

  /// Uniform in [0, bound), bound < 2^32.
  std::int64_t below(std::int64_t bound) {
    return static_cast<std::int64_t>(((next() >> 32) * static_cast<std::uint64_t>(bound)) >> 32);
  }
  Duration below(Duration bound) { return Duration{below(bound.count())}; }
  bool one_in(std::int64_t n) { return below(n) == 0; }

  /// Exponential, by comparisons alone (von Neumann 1951): a logarithm may differ between machines.
  Duration exponential(Duration mean) {
    for (std::int64_t whole = 0;; ++whole) {
      const std::uint64_t first = next() >> 32;
      std::uint64_t before = first;
      std::uint32_t falling = 1;
      for (std::uint64_t one = next() >> 32; one < before; one = next() >> 32) {
        before = one;
        ++falling;
      }
      if (falling % 2 == 0) continue;
      const auto rest = (first * static_cast<std::uint64_t>(mean.count())) >> 32;
      return Duration{whole * mean.count() + static_cast<std::int64_t>(rest)};
    }
  }

 private:
  static std::uint64_t turned(std::uint64_t x, int by) { return (x << by) | (x >> (64 - by)); }
  static std::uint64_t mixed(std::uint64_t& state) {
    state += 0x9e3779b97f4a7c15ull;
    std::uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
  }
  std::array<std::uint64_t, 4> state_{};
};

/// One event becomes visible, or (-1) is taken back.
struct Arrival {
  Time visible;
  Time bucket;
  std::uint32_t series = 0;
  std::int32_t amount = 1;
};

struct Story {
  Story(const ShapeOptions& options, std::string_view name)
      : numbers(options.seed, name), to(kStart + options.windows * kShapeWindow) {}

  Numbers numbers;
  Time to;  // end of the last minute
  std::vector<std::string> scopes{""};
  std::vector<std::uint32_t> scope_of{0};  // by series
  std::vector<Arrival> arrivals;
  std::vector<engine::TimeRange> freezes;
};

/// 199 of 200 events are late by 20 s on average, the others by 150 s.
Duration common_delay(Numbers& numbers) {
  return numbers.exponential(numbers.one_in(200) ? 150s : 20s);
}

using Delay = std::function<Duration(Numbers&, Time happened)>;

/// `count` events in every minute, at random instants of it.
void add_events(Story& story, std::uint32_t series, int count, const Delay& delay) {
  for (Time bucket = kStart; bucket < story.to; bucket += kShapeWindow) {
    for (int i = 0; i < count; ++i) {
      const Time happened = bucket + story.numbers.below(kShapeWindow);
      story.arrivals.push_back(
          {.visible = happened + delay(story.numbers, happened), .bucket = bucket, .series = series});
    }
  }
}

Duration smooth_delay(Numbers& numbers, Time /*happened*/) {
  return common_delay(numbers);
}

void tell_smooth(Story& story) {
  add_events(story, 0, 200, smooth_delay);
}

void tell_batch(Story& story) {
  tell_smooth(story);
  for (Arrival& arrival : story.arrivals) arrival.visible = engine::ceil_to(arrival.visible, 300s);
}

void tell_sparse(Story& story) {
  add_events(story, 0, 3, smooth_delay);
}

void tell_stall(Story& story) {
  tell_smooth(story);
  const Time last = story.to + kShapeTruthAge;
  Time at = kStart + story.numbers.exponential(4h);
  while (at < last) {
    at = engine::ceil_to(at, kRefresh);
    const Time until = engine::ceil_to(at + 5min + story.numbers.below(Duration{15min}), kRefresh);
    story.freezes.push_back({.from = at, .to = until});
    at = until + 10min + story.numbers.exponential(4h);
  }
  for (Arrival& arrival : story.arrivals) {
    arrival.visible = engine::ceil_to(arrival.visible, kRefresh);
    for (const engine::TimeRange& freeze : story.freezes) {
      if (freeze.contains(arrival.visible)) arrival.visible = freeze.to;
    }
  }
}

void tell_drift(Story& story) {
  const Time half = kStart + (story.to - kStart) / 2;
  add_events(story, 0, 200, [half](Numbers& numbers, Time happened) {
    return common_delay(numbers) * (happened < half ? 1 : 3);
  });
}

/// 0 at midnight, 1000 at noon, straight in between.
std::int64_t daylight(Time at) {
  const Duration into = at - engine::floor_to(at, kDay);
  const Duration from_midnight = std::min(into, kDay - into);
  return from_midnight.count() * 2000 / kDay.count();
}

/// Four series; at noon 12 times the events of midnight, and delays three times as long.
void tell_night_and_day(Story& story) {
  story.scope_of.assign(4, 0);
  for (std::uint32_t series = 0; series < 4; ++series) {
    const std::int64_t noon = 40 + 40 * series;
    for (Time bucket = kStart; bucket < story.to; bucket += kShapeWindow) {
      const std::int64_t mean = noon * (1000 + 11 * daylight(bucket)) / 12'000;
      const Duration gap{kShapeWindow.count() / std::max<std::int64_t>(mean, 1)};
      const Time end = bucket + kShapeWindow;
      Time happened = bucket + story.numbers.exponential(gap);
      for (; happened < end; happened += story.numbers.exponential(gap)) {
        const Duration delay = common_delay(story.numbers) * (1000 + 2 * daylight(happened)) / 1000;
        story.arrivals.push_back({.visible = happened + delay, .bucket = bucket, .series = series});
      }
    }
  }
}

/// Three scopes of two series; everything of the third comes four minutes later than of the others.
void tell_lagging_scope(Story& story) {
  story.scopes = {"a", "b", "c"};
  story.scope_of = {0, 0, 1, 1, 2, 2};
  for (std::uint32_t series = 0; series < story.scope_of.size(); ++series) {
    const Duration lag = story.scope_of[series] == 2 ? 4min : 0min;
    add_events(story, series, 60, [lag](Numbers& numbers, Time) { return lag + common_delay(numbers); });
  }
}

/// One event in 50 is taken back some time after it was seen.
void tell_revisions_down(Story& story) {
  story.scope_of.assign(2, 0);
  for (const std::uint32_t series : {0u, 1u}) add_events(story, series, 100, smooth_delay);
  const std::size_t events = story.arrivals.size();
  for (std::size_t i = 0; i < events; ++i) {
    if (!story.numbers.one_in(50)) continue;
    Arrival taken_back = story.arrivals[i];
    taken_back.visible += story.numbers.exponential(60s);
    taken_back.amount = -1;
    story.arrivals.push_back(taken_back);
  }
}

struct Teller {
  Shape shape;
  void (*tell)(Story&);
};
constexpr std::array kTellers{
    Teller{{"smooth", "200 events a minute, late by 20 s on average, one in 200 by 150 s"}, tell_smooth},
    Teller{{"batch", "as smooth, but everything becomes visible every 5 minutes only"}, tell_batch},
    Teller{{"sparse", "3 events a minute"}, tell_sparse},
    Teller{{"stall", "as smooth, but about every 4 hours the source freezes for 5 to 20 minutes"},
           tell_stall},
    Teller{{"drift", "as smooth, but half-way all delays become three times as long"}, tell_drift},
    Teller{{"night_and_day", "4 series; load and delays follow the hour of the day"}, tell_night_and_day},
    Teller{{"lagging_scope", "3 scopes of 2 series; one of them is 4 minutes behind"}, tell_lagging_scope},
    Teller{{"revisions_down", "2 series; one event in 50 is taken back later"}, tell_revisions_down},
};
constexpr auto kShapes = [] {
  std::array<Shape, kTellers.size()> all{};
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = kTellers[i].shape;
  return all;
}();

std::string label_of(std::uint32_t series) {
  return std::string("s") + std::to_string(series + 1);
}

/// One line for each instant at which the value of a minute changes.
fetchers::Trace trace_of(Story& story) {
  fetchers::Trace trace;
  trace.scopes = story.scopes;
  for (std::uint32_t series = 0; series < story.scope_of.size(); ++series) {
    const engine::Labels labels{{std::string(engine::kMetricNameLabel), "events"},
                                {"series", label_of(series)}};
    trace.series.push_back({engine::series_text(labels), labels});
  }
  for (Arrival& arrival : story.arrivals) arrival.visible = engine::ceil_to(arrival.visible, kRefresh);
  std::erase_if(story.arrivals, [](const Arrival& arrival) {
    return arrival.visible > arrival.bucket + kShapeWindow + kShapeTruthAge;
  });
  const auto key = [](const Arrival& a) { return std::tie(a.bucket, a.series, a.visible); };
  std::sort(story.arrivals.begin(), story.arrivals.end(), [&](const Arrival& a, const Arrival& b) {
    return std::tuple_cat(key(a), std::tie(a.amount)) < std::tuple_cat(key(b), std::tie(b.amount));
  });
  std::int64_t value = 0;
  for (std::size_t i = 0; i < story.arrivals.size(); ++i) {
    const Arrival& arrival = story.arrivals[i];
    const bool is_new = i == 0 || story.arrivals[i - 1].bucket != arrival.bucket ||
                        story.arrivals[i - 1].series != arrival.series;
    const std::int64_t before = is_new ? 0 : value;
    value = before + arrival.amount;
    if (i + 1 < story.arrivals.size() && key(story.arrivals[i + 1]) == key(arrival)) continue;
    const auto count = engine::Value::count(static_cast<std::uint64_t>(value));
    trace.lines.push_back(
        {arrival.visible, story.scope_of[arrival.series], arrival.series, arrival.bucket, count});
  }
  std::stable_sort(trace.lines.begin(), trace.lines.end(),
                   [](const fetchers::TraceLine& a, const fetchers::TraceLine& b) { return a.at < b.at; });
  if (!trace.lines.empty()) {
    trace.first = trace.lines.front().at;
    trace.last = trace.lines.back().at;
  }
  return trace;
}

}  // namespace

std::span<const Shape> shapes() {
  return kShapes;
}

engine::Result<ShapedTrace> make_shape(std::string_view name, const ShapeOptions& options) {
  for (const Teller& teller : kTellers) {
    if (teller.shape.name != name) continue;
    Story story(options, name);
    teller.tell(story);
    ShapedTrace made;
    made.trace = trace_of(story);
    made.freezes = std::move(story.freezes);
    return made;
  }
  std::string known;
  for (const Shape& shape : kShapes) known += (known.empty() ? "" : ", ") + std::string(shape.name);
  return engine::refused("there is no shape \"" + std::string(name) + "\"; the shapes are " + known);
}

}  // namespace settle::cli
