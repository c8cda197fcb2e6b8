// Streams whose cells hold sketches: what samples, cells, changes and loads say of blobs.

#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "tests/engine/engine_polls.hpp"
#include "tests/engine/laws.hpp"

namespace settle::test {
namespace {

using engine::Answer;
using engine::Blob;
using engine::Engine;
using engine::Reason;
using engine::ScopeAnswer;

Blob sketch(const std::string& of) {
  return Blob{"sketch of " + of};
}

struct SketchRow {
  const char* series;
  int minute;
  Blob sketch;
};

ScopeAnswer scope_of(const std::vector<SketchRow>& rows, std::string name = "all") {
  ScopeAnswer scope = make_scope({}, 10, std::nullopt, std::move(name));
  for (const SketchRow& row : rows) {
    scope.rows.push_back({row.series, kNoon + 1min * row.minute, engine::fingerprint(row.sketch)});
    scope.sketches.push_back(row.sketch);
  }
  return scope;
}

std::vector<engine::Sample> poll(Engine& engine, Duration after, std::vector<ScopeAnswer> scopes) {
  Answer answer;
  answer.scopes = std::move(scopes);
  return engine.ingest(answer, kNoon + after);
}
std::vector<engine::Sample> poll(Engine& engine, Duration after, const std::vector<SketchRow>& rows) {
  return poll(engine, after, std::vector{scope_of(rows)});
}

/// Every answer is evidence; one is enough.
engine::EngineOptions sketch_options(std::uint32_t answers = 1) {
  engine::EngineOptions options = test_options();
  options.finality = engine::Consecutive{answers};
  options.liveness = engine::Liveness::answers;
  options.sketches = true;
  return options;
}

// ---- random histories

TEST(EngineOfSketches, GivesOutTheSketchOfEveryValue) {
  std::map<Reason, std::size_t> reasons;
  const auto fault = [&](const History& history) {
    EngineDriver engine{history.options, history.live_from};
    return watch(engine, history, [&](const Observed& seen) -> std::string {
      for (const auto& sample : seen.out.samples) {
        ++reasons[sample.reason];
        if (engine::fingerprint(sample.sketch) != sample.value) return "sample: " + describe(sample);
      }
      for (const auto& [key, cell] : seen.after) {
        if (engine::fingerprint(cell.sketch) != cell.value) return "cell: " + describe(cell);
      }
      return engine.stats().unpropagated == 0 ? "" : "fingerprints were added up";
    });
  };
  EXPECT_TRUE(holds_for_histories("a sketch for every value", sketch_mix(), fault));
  for (const Reason reason : {Reason::settled, Reason::ttl, Reason::correction, Reason::flush}) {
    EXPECT_GT(reasons[reason], 0U) << engine::reason_text(reason);
  }
}

/// What has no sketch is refused, which an engine of numbers cannot know of.
void drop_bare_rows(History& history) {
  for (auto& step : history.steps) {
    for (auto& part : step.parts) {
      std::erase_if(part.rows, [](const HistoryRow& row) { return row.sketch.empty(); });
    }
  }
}

void drop_sketches(History& history) {
  for (auto& step : history.steps) {
    for (auto& part : step.parts) {
      for (auto& row : part.rows) row.sketch = {};
    }
  }
}

template <class T>
std::vector<T> without_sketches(std::vector<T> list) {
  for (T& one : list) one.sketch = {};
  return list;
}

TEST(EngineOfSketches, SaysWhatAnEngineOfTheFingerprintsSays) {
  EXPECT_TRUE(holds_for_histories("fingerprints", sketch_mix(), [](const History& given) {
    History history = given;
    drop_bare_rows(history);
    History plain = history;
    plain.options.sketches = false;
    drop_sketches(plain);
    EngineDriver engine{history.options, history.live_from};
    EngineDriver twin{plain.options, plain.live_from};
    for (std::size_t i = 0; i < history.steps.size(); ++i) {
      const StepOutput got = apply(engine, history.steps[i]);
      const StepOutput expected = apply(twin, plain.steps[i]);
      // Numbers that are held back add up.
      const bool same_bytes = twin.stats().unpropagated == 0;
      std::string wrong = difference(without_sketches(got.samples), expected.samples) +
                          difference(got.gaps, expected.gaps) +
                          difference(without_sketches(engine.cells()), twin.cells());
      if (same_bytes) wrong += difference(engine.stats(), twin.stats());
      if (same_bytes && engine.records() != twin.records()) wrong += "other bytes";
      if (!twin.blobs_saved().empty()) wrong += "blobs of numbers";
      if (!wrong.empty()) return "step " + std::to_string(i) + ": " + wrong;
    }
    return std::string{};
  }));
}

TEST(EngineOfSketches, DrainsTheBlobsThatChanged) {
  std::size_t drained = 0;
  std::size_t renewals_without = 0;
  const auto fault = [&](const History& history) {
    EngineDriver engine{history.options, history.live_from};
    std::set<std::pair<Time, std::string>> changed;
    return watch(engine, history, [&](const Observed& seen) -> std::string {
      for (const auto& [key, cell] : seen.after) {
        const auto before = seen.before.find(key);
        if (before == seen.before.end() || before->second.sketch != cell.sketch) changed.insert(key);
      }
      const Kind kind = seen.step.kind;
      const bool saves = kind == Kind::save || kind == Kind::renew || kind == Kind::reload;
      if (!saves || engine.records().empty()) return "";
      std::map<std::pair<Time, std::string>, Blob> expected;
      for (const auto& key : changed) {
        const auto cell = seen.after.find(key);
        if (cell != seen.after.end()) expected[key] = cell->second.sketch;
      }
      changed.clear();
      std::map<std::pair<Time, std::string>, Blob> got;
      const auto& blobs = engine.blobs_saved();
      for (const auto& one : blobs) {
        got[{one.bucket, std::string{engine.engine().series_name(one.number)}}] = one.sketch;
      }
      drained += blobs.size();
      renewals_without += kind == Kind::renew && blobs.empty() && !seen.after.empty() ? 1 : 0;
      if (got != expected || got.size() != blobs.size()) return "other blobs than changed";
      const auto in_order = [](const auto& a, const auto& b) {
        return std::pair{a.bucket, a.number} < std::pair{b.bucket, b.number};
      };
      return std::is_sorted(blobs.begin(), blobs.end(), in_order) ? "" : "blobs are not in order";
    });
  };
  EXPECT_TRUE(holds_for_histories("drained blobs", sketch_mix(), fault));
  EXPECT_GT(drained, 0U);
  EXPECT_GT(renewals_without, 0U);
}

// ---- one cell

TEST(EngineOfSketches, CorrectsWithTheNewSketch) {
  Engine engine{sketch_options(), kNoon};
  const auto first = poll(engine, 60s, {{"m", 0, sketch("one")}});
  ASSERT_EQ(first.size(), 1U);
  EXPECT_EQ(first[0].sketch, sketch("one"));
  EXPECT_EQ(first[0].value, engine::fingerprint(sketch("one")));
  const auto second = poll(engine, 80s, {{"m", 0, sketch("two")}});
  ASSERT_EQ(second.size(), 1U);
  EXPECT_EQ(second[0].reason, Reason::correction);
  EXPECT_EQ(second[0].sketch, sketch("two"));
  EXPECT_EQ(second[0].replaced, engine::fingerprint(sketch("one")));
}

TEST(EngineOfSketches, HoldsBackWithoutAddingUp) {
  engine::EngineOptions options = sketch_options();
  options.corrections = engine::Corrections::hold;
  Engine engine{options, kNoon};
  ASSERT_EQ(poll(engine, 60s, {{"m", 0, sketch("one")}}).size(), 1U);
  EXPECT_TRUE(poll(engine, 80s, {{"m", 0, sketch("two")}}).empty());
  ASSERT_EQ(engine.cells().size(), 1U);
  EXPECT_EQ(engine.cells()[0].sketch, sketch("two"));
  EXPECT_EQ(engine.cells()[0].emitted, engine::fingerprint(sketch("one")));
  EXPECT_EQ(engine.stats().held_back, 1U);
  EXPECT_TRUE(engine.flush(kNoon + 90s).empty());
  EXPECT_EQ(engine.stats().unpropagated, 0);
}

TEST(EngineOfSketches, TakesTheGreaterOfRowsInConflictWithItsBlob) {
  std::vector<Blob> blobs{sketch("one"), sketch("two"), sketch("three")};
  const auto less = [](const Blob& a, const Blob& b) {
    return engine::fingerprint(a) < engine::fingerprint(b);
  };
  std::sort(blobs.begin(), blobs.end(), less);
  const Blob greatest = blobs.back();
  do {
    for (const std::string known : {"none", "one", "two", "three"}) {
      for (const std::size_t scopes : {1U, 3U}) {
        Engine engine{sketch_options(), kNoon};
        if (known != "none") (void)poll(engine, 50s, {{"m", 0, sketch(known)}});
        std::vector<ScopeAnswer> parts(scopes);
        for (std::size_t i = 0; i < blobs.size(); ++i) {
          ScopeAnswer& part = parts[i % scopes];
          const ScopeAnswer one = scope_of({{"m", 0, blobs[i]}}, std::string(1, static_cast<char>('a' + i)));
          if (part.rows.empty()) {
            part = one;
          } else {
            part.rows.push_back(one.rows[0]);
            part.sketches.push_back(one.sketches[0]);
          }
        }
        EXPECT_TRUE(poll(engine, 60s, parts).empty());
        EXPECT_EQ(engine.stats().conflicts, 1U);
        ASSERT_EQ(engine.cells().size(), 1U);
        EXPECT_EQ(engine.cells()[0].sketch, greatest);
        EXPECT_EQ(engine.cells()[0].value, engine::fingerprint(greatest));
      }
    }
  } while (std::next_permutation(blobs.begin(), blobs.end(), less));
}

TEST(EngineOfSketches, RefusesRowsWithoutOne) {
  Engine engine{sketch_options(), kNoon};
  ScopeAnswer scope = scope_of({{"a", 0, sketch("a")}, {"b", 0, sketch("b")}, {"c", 0, sketch("c")}});
  scope.sketches[0] = {};
  scope.sketches.pop_back();
  const auto samples = poll(engine, 60s, std::vector{scope});
  ASSERT_EQ(samples.size(), 1U);
  EXPECT_EQ(engine.series_name(samples[0].series), "b");
  EXPECT_EQ(samples[0].sketch, sketch("b"));
  EXPECT_EQ(engine.stats().rows_refused, 2U);
}

TEST(EngineOfSketches, AreRefusedByAnEngineOfNumbers) {
  engine::EngineOptions options = sketch_options();
  options.sketches = false;
  Engine engine{options, kNoon};
  ScopeAnswer scope = scope_of({{"a", 0, sketch("a")}, {"b", 0, sketch("b")}, {"c", 0, sketch("c")}});
  scope.sketches[1] = {};
  const auto samples = poll(engine, 60s, std::vector{scope});
  ASSERT_EQ(samples.size(), 1U);
  EXPECT_EQ(engine.series_name(samples[0].series), "b");
  EXPECT_EQ(engine.stats().rows_refused, 2U);
}

TEST(EngineOfSketches, KeepsTheBlobThatAnEqualOneWouldReplace) {
  Engine engine{sketch_options(), kNoon};
  (void)poll(engine, 60s, {{"m", 0, sketch("one")}});
  (void)engine.drain_changes();
  const auto before = engine.cells();
  EXPECT_TRUE(poll(engine, 80s, {{"m", 0, sketch("one")}}).empty());
  EXPECT_EQ(engine.cells()[0].sketch.bytes().data(), before[0].sketch.bytes().data());
  EXPECT_EQ(engine.stats().changes, 1U);
  EXPECT_TRUE(engine.drain_changes().blobs.empty());
}

TEST(EngineOfSketches, IsClonedWithSharedBlobs) {
  Engine engine{sketch_options(), kNoon};
  (void)poll(engine, 60s, {{"m", 0, sketch("one")}});
  Engine twin = engine.clone();
  EXPECT_EQ(engine.cells()[0].sketch.bytes().data(), twin.cells()[0].sketch.bytes().data());
  EXPECT_EQ(twin.drain_changes().blobs, engine.drain_changes().blobs);
  (void)poll(twin, 80s, {{"m", 0, sketch("two")}});
  EXPECT_EQ(engine.cells()[0].sketch, sketch("one"));
}

TEST(EngineOfSketches, CountsTheBytesOfItsBlobs) {
  constexpr std::size_t kLarge = 100'000;
  Engine engine{sketch_options(), kNoon};
  (void)poll(engine, 60s, {{"m", 0, sketch("one")}});
  const std::size_t before = engine.memory_bytes();
  (void)poll(engine, 80s, {{"m", 0, Blob{std::string(kLarge, 'x')}}});
  EXPECT_EQ(engine.memory_bytes(), before + kLarge - sketch("one").bytes().size());
  const auto loaded = engine.clone();
  EXPECT_GT(loaded.memory_bytes(), kLarge);
  (void)poll(engine, 100s, {{"m", 0, sketch("one")}});
  EXPECT_EQ(engine.memory_bytes(), before);
}

// ---- loading

struct SavedSketches {
  SavedEngine saved;
  std::map<std::pair<engine::SeriesNumber, Time>, Blob> blobs;

  explicit SavedSketches(Engine& from) {
    Engine twin = from.clone();
    for (const auto& one : twin.drain_changes().blobs) blobs[{one.number, one.bucket}] = one.sketch;
    saved.save(from);
  }
  [[nodiscard]] engine::Result<Engine> load() const {
    return saved.load(sketch_options(), [this](engine::SeriesNumber number, Time bucket) {
      const auto found = blobs.find({number, bucket});
      return found == blobs.end() ? Blob{} : found->second;
    });
  }
};

TEST(EngineOfSketches, IsLoadedWithTheBlobsOfAllItsCells) {
  Engine engine{sketch_options(), kNoon};
  (void)poll(engine, 60s, {{"a", 0, sketch("one")}, {"b", 0, sketch("two")}});
  SavedSketches whole{engine};
  ASSERT_EQ(whole.blobs.size(), 2U);
  const auto loaded = whole.load();
  ASSERT_TRUE(loaded) << loaded.error().detail;
  EXPECT_EQ(loaded->cells()[1].sketch, sketch("two"));
  EXPECT_EQ(loaded->memory_bytes() >= sketch("one").bytes().size() + sketch("two").bytes().size(), true);

  for (const auto& [key, blob] : whole.blobs) {
    const std::string name{engine.series_name(key.first)};
    SavedSketches missing = whole;
    missing.blobs.erase(key);
    const auto without = missing.load();
    ASSERT_FALSE(without);
    EXPECT_EQ(without.error().kind, engine::ErrorKind::corrupt);
    EXPECT_NE(without.error().detail.find("no sketch is stored of " + name), std::string::npos)
        << without.error().detail;
    SavedSketches other = whole;
    other.blobs[key] = sketch("three");
    const auto with_other = other.load();
    ASSERT_FALSE(with_other);
    EXPECT_EQ(with_other.error().kind, engine::ErrorKind::corrupt);
    EXPECT_NE(with_other.error().detail.find("another sketch is stored of " + name), std::string::npos)
        << with_other.error().detail;
  }
  EXPECT_FALSE(whole.saved.load(sketch_options()));
}

// ---- what was said

TEST(SaidBuckets, AreThoseOfWhichNothingIsOpen) {
  const auto said = [](const Engine& engine) {
    std::vector<int> minutes;
    for (const Time bucket : engine.said_buckets()) {
      minutes.push_back(static_cast<int>((bucket - kNoon) / 1min));
    }
    return minutes;
  };
  using Minutes = std::vector<int>;
  const SketchRow a{"a", 0, sketch("a")};
  Engine engine{sketch_options(2), kNoon};
  (void)poll(engine, 60s, {a});
  EXPECT_EQ(said(engine), Minutes{});
  (void)poll(engine, 80s, {a});
  EXPECT_EQ(said(engine), Minutes{0});
  // A change of what went out is a correction to come, but something was said.
  (void)poll(engine, 100s, {{"a", 0, sketch("other")}});
  EXPECT_EQ(said(engine), Minutes{0});
  EXPECT_EQ(engine.newest_final_bucket(), std::nullopt);
  // A series that comes late, and then a scope.
  (void)poll(engine, 120s, {a, {"b", 0, sketch("b")}});
  EXPECT_EQ(said(engine), Minutes{});
  (void)poll(engine, 140s, {a, {"b", 0, sketch("b")}});
  EXPECT_EQ(said(engine), (Minutes{0, 1}));
  const std::vector both{scope_of({a}), scope_of({}, "other")};
  (void)poll(engine, 160s, both);
  EXPECT_EQ(said(engine), Minutes{});
  (void)poll(engine, 180s, both);
  EXPECT_EQ(said(engine), (Minutes{0, 1}));
}

TEST(SaidBuckets, AreAlsoThoseThatAgeCloses) {
  engine::EngineOptions options = sketch_options(2);
  options.ttl = 5min;
  Engine engine{options, kNoon};
  const std::vector<SketchRow> contrary{{"a", 0, sketch("a")}, {"a", 0, sketch("b")}};
  for (Duration now = 60s; now <= 6min + 1s; now += 20s) (void)poll(engine, now, contrary);
  (void)poll(engine, 6min + 1s, contrary);
  const auto is_said = [&] {
    const auto buckets = engine.said_buckets();
    return std::count(buckets.begin(), buckets.end(), kNoon) == 1;
  };
  EXPECT_FALSE(is_said());
  const auto samples = engine.expire(kNoon + 6min + 1s);
  ASSERT_EQ(samples.size(), 1U);
  EXPECT_EQ(samples[0].reason, Reason::ttl);
  EXPECT_EQ(engine::fingerprint(samples[0].sketch), samples[0].value);
  EXPECT_TRUE(is_said());
}

TEST(SaidBuckets, AreNoneWhereRowsFoundNoRoom) {
  engine::EngineOptions options = sketch_options();
  options.open_cells_max = 1;
  Engine engine{options, kNoon};
  const std::vector<SketchRow> rows{{"a", 0, sketch("a")}, {"b", 0, sketch("b")}};
  for (const Duration now : {60s, 80s}) EXPECT_LE(poll(engine, now, rows).size(), 1U);
  EXPECT_EQ(engine.said_buckets(), std::vector<Time>{});
}

}  // namespace
}  // namespace settle::test
