// The records of jobs with a function, and that those of plain ones stay as older programs wrote them.
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "engine/promql/parser.hpp"
#include "runner/jobs/job_record.hpp"
#include "tests/support/fake_context.hpp"

namespace settle::runner {
namespace {

using query::SketchType;
using ::testing::HasSubstr;
using ::testing::StartsWith;

JobSpec spec_of(const std::string& query_and_type, const std::string& more = "") {
  const test::FakeContext context;
  auto spec = parse_job(R"({"query":)" + query_and_type +
                            R"(,"granularity":"1m","source":"trace","store_path":"p/q")" + more + "}",
                        context, engine::from_epoch_ms(0));
  EXPECT_TRUE(spec) << spec.refusal().detail;
  return *spec;
}

constexpr const char* kPlain = R"("m{z=\"a\"}","sketch_type":"scalar")";
constexpr const char* kP99 = R"-("quantile_over_time(0.99, m{z=\"a\"}[5m])","sketch_type":"ddsketch")-";

TEST(StreamIdentity, OfAPlainJobIsTheTextThatStoresHold) {
  EXPECT_EQ(stream_identity(spec_of(kPlain)),
            R"({"absent":0,"absent_for_ms":3600000,"corrections":0,"finality":"learned:0.01",)"
            R"("granularity_ms":60000,"liveness":1,"open_cells_max":5000,"output":0,"query":"m{z=\"a\"}",)"
            R"("series_idle_ms":172800000,"series_max":1000,"source":"trace","ttl_ms":1800000,)"
            R"("watch_ms":1800000})");
  EXPECT_EQ(
      stream_identity(spec_of(kPlain, R"(,"sink":"larger","values":"growing","finality":"fixed:5m")")),
      R"({"absent":0,"absent_for_ms":3600000,"corrections":0,"finality":"fixed:5m","granularity_ms":60000,)"
      R"("liveness":1,"open_cells_max":5000,"output":0,"query":"m{z=\"a\"}","rising_only":true,)"
      R"("series_idle_ms":172800000,"series_max":1000,"source":"trace","ttl_ms":1800000,)"
      R"("watch_ms":1800000})");
}

TEST(StreamIdentity, OfAFunctionHoldsTheFeedAndWhatIsAskedOfIt) {
  const JobSpec spec = spec_of(kP99, R"(,"by":["z"],"accuracy":0.02)");
  const std::string feed =
      R"({"absent":0,"absent_for_ms":3600000,"corrections":0,"finality":"learned:0.01",)"
      R"("granularity_ms":60000,"liveness":1,"open_cells_max":5000,"output":0,"query":"m{z=\"a\"}",)"
      R"("series_idle_ms":172800000,"series_max":1000,"source":"trace","ttl_ms":1800000,)"
      R"("watch_ms":1800000,"cells":{"type":"ddsketch","accuracy":"0.02","max_bins":2048}})";
  EXPECT_EQ(feed_identity(spec), feed);
  EXPECT_EQ(stream_identity(spec),
            R"({"absent":0,"absent_for_ms":3600000,"corrections":0,"finality":"consecutive:1",)"
            R"("granularity_ms":60000,"liveness":3,"open_cells_max":5000,"output":0,"query":"m{z=\"a\"}",)"
            R"("series_idle_ms":172800000,"series_max":1000,"source":"trace","ttl_ms":1800000,)"
            R"-("watch_ms":1980000,"view":{"query":"quantile_over_time(0.99, m{z=\"a\"}[5m])","by":["z"],)-"
            R"("feed":)" +
                feed + "}}");
}

/// Any function, and of each type of sketch what belongs to it.
query::ViewSpec some_view(const engine::EngineOptions& feed) {
  struct Kind {
    const char* query;
    SketchType type;
  };
  const Kind kind = *rc::gen::element(Kind{"sum_over_time(m[2m])", SketchType::stats},
                                      Kind{"rate(m{a=\"b\"}[1h])", SketchType::stats},
                                      Kind{"quantile_over_time(0.123456789, m[5m])", SketchType::ddsketch},
                                      Kind{"count_distinct_over_time(m[5m])", SketchType::hll},
                                      Kind{"top_k_over_time(7, m[5m])", SketchType::countsketch},
                                      Kind{"top_k_over_time(1000, m[5m])", SketchType::countminsketch});
  query::ViewSpec view;
  view.query = *engine::parse_job_query(kind.query);
  view.cells.type = kind.type;
  view.feed = feed;
  if (*rc::gen::arbitrary<bool>()) {
    view.by = *rc::gen::element(std::vector<std::string>{}, std::vector<std::string>{"a"},
                                std::vector<std::string>{"a", "b_c"});
  }
  query::Building& building = view.cells.building;
  if (kind.type == SketchType::ddsketch) {
    building.accuracy = *rc::gen::inRange(1, 1'000'000) / 1'000'003.0;
    building.bin_limit = *rc::gen::inRange(0, 131'073);
  } else if (kind.type != SketchType::stats) {
    view.cells.item = *rc::gen::element<std::string>("", "path", "_9");
    if (kind.type == SketchType::hll) {
      building.precision = *rc::gen::inRange(4U, 19U);
    } else {
      building.width = std::uint32_t{1} << *rc::gen::inRange(1U, 18U);
      building.depth = *rc::gen::inRange(1U, 65U);
      building.keep = *rc::gen::inRange<std::size_t>(40, 4001);
      building.weighted = *rc::gen::arbitrary<bool>();
    }
  }
  return view;
}

engine::EngineOptions some_options() {
  engine::EngineOptions options;
  options.finality = *rc::gen::element<engine::Finality>(
      engine::Consecutive{2}, engine::Fixed{std::chrono::minutes{3}}, engine::Learned{.error_target = 0.003});
  options.watch = std::chrono::minutes{*rc::gen::inRange(1, 10'000)};
  options.ttl = std::chrono::milliseconds{*rc::gen::inRange(1, 60'000)};
  options.liveness = *rc::gen::element(engine::Liveness::automatic, engine::Liveness::answers);
  options.series_max = *rc::gen::arbitrary<std::size_t>();
  options.in_order = *rc::gen::arbitrary<bool>();
  options.rising_only = *rc::gen::arbitrary<bool>();
  return options;
}

void expect_same(const query::ViewSpec& read, const query::ViewSpec& written) {
  RC_ASSERT(read.query.text() == written.query.text());
  RC_ASSERT(read.cells == written.cells);
  RC_ASSERT(read.by == written.by);
  RC_ASSERT(read.feed == written.feed);
}

TEST(ViewRecord, ReadsBackAnyView) {
  const JobSpec base = spec_of(kP99);
  EXPECT_TRUE(rc::check("write, read", [&base] {
    JobSpec spec = base;
    engine::EngineOptions feed = base.view->feed;
    const engine::EngineOptions options = some_options();
    feed.finality = options.finality;
    feed.watch = options.watch;
    feed.ttl = options.ttl;
    feed.liveness = options.liveness;
    feed.series_max = options.series_max;
    spec.engine = some_options();
    spec.view = some_view(feed);
    spec.query = spec.view->query.text();
    spec.selector = spec.view->query.selector;
    spec.sketch_type = query::sketch_type_text(spec.view->cells.type);
    const auto read = parse_job_record(job_record_json(spec));
    RC_ASSERT(static_cast<bool>(read));
    RC_ASSERT(read->view.has_value());
    expect_same(*read->view, *spec.view);
    RC_ASSERT(read->query == spec.query);
    RC_ASSERT(read->selector.text() == spec.selector.text());
    RC_ASSERT(read->engine == spec.engine);
    RC_ASSERT(read->sketch_type == spec.sketch_type);
    RC_ASSERT(read->timestamp == spec.timestamp);
    RC_ASSERT(read->identity == spec.identity);
    RC_ASSERT(job_record_json(*read) == job_record_json(spec));
    RC_ASSERT(feed_identity(*read) == feed_identity(spec));
    const auto stream = parse_stream_identity(stream_identity(spec));
    RC_ASSERT(static_cast<bool>(stream));
    RC_ASSERT(stream->view.has_value());
    expect_same(*stream->view, *spec.view);
    RC_ASSERT(stream->engine == spec.engine);
  }));
}

TEST(ViewRecord, IsOfAVersionThatProgramsWithoutFunctionsRefuse) {
  EXPECT_THAT(job_record_json(spec_of(kPlain)), StartsWith(R"({"v":1,)"));
  EXPECT_THAT(job_record_json(spec_of(kP99)), StartsWith(R"({"v":2,)"));
  const auto job = [](const char* query) {
    return encode_job({.tenant = "t",
                       .id = "j",
                       .stream_id = "s",
                       .spec = spec_of(query),
                       .origin = Origin::api,
                       .created_at = engine::from_epoch_ms(0),
                       .epoch = 1});
  };
  EXPECT_THAT(job(kPlain), StartsWith(R"({"v":1,)"));
  EXPECT_THAT(job(kP99), StartsWith(R"({"v":2,)"));
  ASSERT_TRUE(decode_job("t", "j", job(kP99)));
  EXPECT_EQ(decode_job("t", "j", job(kP99))->spec.view->query.parameter, 0.99);
  const auto stream = [](bool has_function) {
    return encode_stream({.identity = "i", .views = {}, .rests_until = {}, .has_function = has_function});
  };
  EXPECT_EQ(stream(false), R"({"v":1,"identity":"i","jobs":[]})");
  EXPECT_EQ(stream(true), R"({"v":2,"identity":"i","jobs":[]})");
  EXPECT_TRUE(decode_stream(stream(true))->has_function);
  EXPECT_FALSE(decode_stream(stream(false))->has_function);
}

TEST(ViewRecord, OfAPlainJobOfAnOlderProgramIsReadAsBefore) {
  const auto read = parse_job_record(
      R"({"v":1,"stream":{"absent":0,"absent_for_ms":3600000,"corrections":1,"finality":"fixed:5m",)"
      R"("granularity_ms":60000,"liveness":1,"open_cells_max":5000,"output":0,"query":"m{z=\"a\"}",)"
      R"("series_idle_ms":172800000,"series_max":1000,"source":"trace","ttl_ms":1800000,)"
      R"("watch_ms":1800000},"sketch_type":"scalar","store_path":"p","poll_interval_ms":60000,)"
      R"("timestamp":0,"sinks":["builtin"],"record":"m","labels":{},"identity":"{}"})");
  ASSERT_TRUE(read) << read.error().detail;
  EXPECT_FALSE(read->view);
  EXPECT_EQ(read->query, "m{z=\"a\"}");
  EXPECT_EQ(read->engine.corrections, engine::Corrections::hold);
  EXPECT_EQ(stream_identity(*read),
            R"({"absent":0,"absent_for_ms":3600000,"corrections":1,"finality":"fixed:5m",)"
            R"("granularity_ms":60000,"liveness":1,"open_cells_max":5000,"output":0,"query":"m{z=\"a\"}",)"
            R"("series_idle_ms":172800000,"series_max":1000,"source":"trace","ttl_ms":1800000,)"
            R"("watch_ms":1800000})");
}

TEST(ViewRecord, SaysWhatIsWrongWithAViewItCannotRead) {
  const std::string good = job_record_json(spec_of(kP99));
  const auto told = [&good](const std::string& from, const std::string& to) {
    std::string bad = good;
    const std::size_t at = bad.rfind(from);
    if (at == bad.npos) return "no " + from;
    const auto read = parse_job_record(bad.replace(at, from.size(), to));
    return read ? std::string{"read"} : read.error().detail;
  };
  const std::vector<std::pair<std::string, std::string>> damages{
      {R"("feed")", R"("food")"},
      {R"("cells")", R"("sells")"},
      {R"("type":"ddsketch")", R"("type":"kll")"},
      {R"("type":"ddsketch")", R"("type":"scalar")"},
      {R"("accuracy":"0.01")", R"("accuracy":"1")"},
      {R"("accuracy":"0.01")", R"("accuracy":"NaN")"},
      {R"("accuracy":"0.01")", R"("accuracy":0.01)"},
      {R"("max_bins":2048)", R"("max_bins":-1)"},
      {R"("finality":"learned:0.01")", R"("finality":"soon")"},
      {R"-("query":"quantile_over_time(0.99, m{z=\"a\"}[5m])")-", R"("query":"m")"},
      {R"-("query":"quantile_over_time(0.99, m{z=\"a\"}[5m])")-", R"-("query":"rate(n[5m])")-"},
  };
  for (const auto& [from, to] : damages) {
    const std::string member = from.substr(1, from.find('"', 1) - 1);
    EXPECT_THAT(told(from, to), HasSubstr("member \"" + member + "\" is missing or unreadable")) << to;
  }
  const std::string top = job_record_json(
      spec_of(R"-("top_k_over_time(7, m[5m])","sketch_type":"countsketch")-", R"(,"item":"path")"));
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {R"("width":2048)", R"("width":0)"},
           {R"("width":2048)", R"("width":4294967295)"},
           {R"("keep":40)", R"("keep":0)"},
       }) {
    std::string bad = top;
    bad.replace(bad.find(from), from.size(), to);
    EXPECT_FALSE(parse_job_record(bad)) << to;
  }
}

}  // namespace
}  // namespace settle::runner
