// Jobs with a function over a window: what is accepted, what it comes to, and every refusal with its text.
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runner/jobs/job.hpp"
#include "runner/jobs/registry_draft.hpp"
#include "tests/support/fake_context.hpp"

namespace settle::runner {
namespace {

using namespace std::chrono_literals;
using engine::Corrections;
using query::SketchType;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Optional;

const engine::Time kNow = engine::from_epoch_ms(1'782'482'220'000);

Outcome<JobSpec> parse(const std::string& query, const std::string& type, const std::string& more = "") {
  const test::FakeContext context;
  std::string escaped;
  for (const char c : query) escaped += c == '"' ? "\\\"" : std::string(1, c);
  auto spec = parse_job("{\"query\":\"" + escaped + R"(","sketch_type":")" + type +
                            R"(","granularity":"1m","source":"trace","store_path":"edge/5m")" + more + "}",
                        context, kNow);
  if (spec && spec->unfit) return *spec->unfit;
  return spec;
}

JobSpec spec_of(const std::string& query, const std::string& type, const std::string& more = "") {
  auto spec = parse(query, type, more);
  EXPECT_TRUE(spec) << query << " " << more << ": " << spec.refusal().field << " " << spec.refusal().detail;
  return spec ? *std::move(spec) : JobSpec{};
}

JobSpec p99(const std::string& more = "") {
  return spec_of("quantile_over_time(0.99, m[5m])", "ddsketch", more);
}

TEST(JobView, AcceptsEveryFunctionWithTheSketchThatAnswersIt) {
  using engine::Function;
  struct Case {
    std::string query;
    std::string type;
    Function function;
    std::string text;
  };
  const Case cases[] = {
      {"sum_over_time(m[5m])", "stats", Function::sum_over_time, "sum_over_time(m[5m])"},
      {"count_over_time(m[5m])", "stats", Function::count_over_time, "count_over_time(m[5m])"},
      {"avg_over_time(m[5m])", "stats", Function::avg_over_time, "avg_over_time(m[5m])"},
      {"min_over_time(m[5m])", "stats", Function::min_over_time, "min_over_time(m[5m])"},
      {"max_over_time(m[5m])", "stats", Function::max_over_time, "max_over_time(m[5m])"},
      {"last_over_time(m[5m])", "stats", Function::last_over_time, "last_over_time(m[5m])"},
      {"increase(m[5m])", "stats", Function::increase, "increase(m[5m])"},
      {"rate(m[5m])", "stats", Function::rate, "rate(m[5m])"},
      {"quantile_over_time(.50, m { z=\"a\" } [300s])", "ddsketch", Function::quantile_over_time,
       "quantile_over_time(0.5, m{z=\"a\"}[5m])"},
      {"count_distinct_over_time((m[5m]))", "hll", Function::count_distinct_over_time,
       "count_distinct_over_time(m[5m])"},
      {"top_k_over_time(3, m[5m])", "countsketch", Function::top_k_over_time, "top_k_over_time(3, m[5m])"},
      {"topk_over_time(3, m[5m])", "countminsketch", Function::top_k_over_time, "top_k_over_time(3, m[5m])"},
  };
  for (const Case& one : cases) {
    const JobSpec spec = spec_of(one.query, one.type);
    ASSERT_TRUE(spec.view) << one.query;
    EXPECT_EQ(spec.query, one.text);
    EXPECT_EQ(spec.view->query.text(), one.text);
    EXPECT_EQ(spec.view->query.function, one.function);
    EXPECT_EQ(spec.view->query.window, 5min);
    EXPECT_EQ(spec.selector.text(), spec.view->query.selector.text());
    EXPECT_EQ(spec.sketch_type, one.type);
    EXPECT_EQ(query::sketch_type_text(spec.view->cells.type), one.type);
  }
  EXPECT_FALSE(spec_of("m", "scalar").view);
}

TEST(JobView, GivesTheCellsTheOptionsAskedForAndTheResultsTheirOwn) {
  const JobSpec spec =
      p99(R"(,"finality":"fixed:3m","watch":"1h","ttl":"20m","poll_interval":"30s","sink":"tsdb")");
  const engine::EngineOptions& feed = spec.view->feed;
  EXPECT_EQ(feed.granularity, 1min);
  EXPECT_EQ(feed.finality, engine::Finality{engine::Fixed{3min}});
  EXPECT_EQ(feed.watch, 1h);
  EXPECT_EQ(feed.ttl, 20min);
  EXPECT_EQ(feed.liveness, engine::Liveness::frontier);
  EXPECT_EQ(feed.corrections, Corrections::repush) << "whatever the sinks can do";
  EXPECT_TRUE(feed.sketches);
  EXPECT_FALSE(feed.in_order);
  EXPECT_FALSE(feed.rising_only);
  EXPECT_EQ(feed.series_max, 1000U);
  EXPECT_EQ(feed.open_cells_max, 5000U);
  EXPECT_EQ(&cells_options(spec), &feed);
  const engine::EngineOptions& results = spec.engine;
  EXPECT_EQ(results.granularity, 1min);
  EXPECT_EQ(results.finality, engine::Finality{engine::Consecutive{1}});
  EXPECT_EQ(results.liveness, engine::Liveness::answers);
  EXPECT_EQ(results.watch, 1h + 2min + 30s);
  EXPECT_EQ(results.ttl, 20min);
  EXPECT_FALSE(results.sketches) << "numbers";
  EXPECT_EQ(results.corrections, Corrections::hold) << "the sink keeps both values";
  EXPECT_EQ(results.series_max, 1000U);
  EXPECT_EQ(spec.poll_interval, 30s);
  const JobSpec plain = spec_of("m", "scalar");
  EXPECT_EQ(&cells_options(plain), &plain.engine);
}

TEST(JobView, HasDefaultsOfItsOwn) {
  const JobSpec spec = p99();
  EXPECT_EQ(spec.timestamp, Stamp::end);
  EXPECT_EQ(p99(R"(,"timestamp":"end")").timestamp, Stamp::end);
  EXPECT_EQ(spec.record, "edge_5m");
  EXPECT_EQ(spec.view->feed.finality, engine::Finality{engine::Learned{}});
  EXPECT_EQ(spec.view->feed.watch, 30min);
  EXPECT_FALSE(spec.view->by);
  EXPECT_EQ(spec.view->cells, (query::CellSpec{.type = SketchType::ddsketch, .item = "", .building = {}}));
  EXPECT_EQ(p99(R"(,"record":"m:p99")").record, "m:p99");
}

TEST(JobView, NamesItsOutputAfterTheStorePath) {
  const std::pair<std::string, std::string> cases[] = {
      {"a/b-c.d~e_F9", "a_b_c_d_e_F9"}, {"5m/x", "_5m_x"}, {"p", "p"}, {"...", "___"}};
  for (const auto& [path, name] : cases) {
    const test::FakeContext context;
    const auto spec = parse_job(
        R"-({"query":"rate(m[5m])","sketch_type":"stats","granularity":"1m","source":"trace","store_path":")-" +
            path + "\"}",
        context, kNow);
    ASSERT_TRUE(spec) << path;
    EXPECT_EQ(spec->record, name);
  }
}

TEST(JobView, ReadsByAndItem) {
  EXPECT_THAT(p99(R"(,"by":["zone","host"])").view->by, Optional(ElementsAre("host", "zone")));
  EXPECT_THAT(p99(R"(,"by":[])").view->by, Optional(IsEmpty()));
  const JobSpec top = spec_of("top_k_over_time(10, m[5m])", "countminsketch", R"(,"item":"path","by":["z"])");
  EXPECT_EQ(top.view->cells.item, "path");
  EXPECT_EQ(spec_of("count_distinct_over_time(m[5m])", "hll", R"(,"item":"user")").view->cells.item, "user");
}

TEST(JobView, ReadsHowSketchesAreBuilt) {
  const auto ddsketch = p99(R"(,"accuracy":0.005,"max_bins":0)").view->cells.building;
  EXPECT_EQ(ddsketch.accuracy, 0.005);
  EXPECT_EQ(ddsketch.bin_limit, 0);
  EXPECT_EQ(p99(R"(,"max_bins":"16")").view->cells.building.bin_limit, 16) << "as YAML has it";
  const auto hll = spec_of("count_distinct_over_time(m[5m])", "hll", R"(,"precision":"14")");
  EXPECT_EQ(hll.view->cells.building.precision, 14U);
  const auto shape = [](const std::string& type, const std::string& more) {
    const auto building = spec_of("top_k_over_time(10, m[5m])", type, more).view->cells.building;
    return std::pair{building.width, building.depth};
  };
  using Shape = std::pair<std::uint32_t, std::uint32_t>;
  EXPECT_EQ(shape("countminsketch", ""), (Shape{2048, 4}));
  EXPECT_EQ(shape("countminsketch", R"(,"width":4096,"depth":5)"), (Shape{4096, 5}));
  EXPECT_EQ(shape("countsketch", R"(,"width":1000)"), (Shape{1024, 4})) << "up to a power of two";
  // e / 0.001 = 2718.3; ln(1 / 0.01) = 4.6
  EXPECT_EQ(shape("countminsketch", R"(,"error":0.001,"confidence":0.99)"), (Shape{4096, 5}));
  // 3 / 0.02^2 = 7500; ln(1 / 0.001) = 6.9
  EXPECT_EQ(shape("countsketch", R"(,"error":"0.02","confidence":0.999)"), (Shape{8192, 7}));
  EXPECT_EQ(shape("countminsketch", R"(,"error":0.01)"), (Shape{512, 4}));
  EXPECT_EQ(shape("countminsketch", R"(,"confidence":0.5)"), (Shape{2048, 1}));
}

TEST(JobView, KeepsFourCandidatesForEachItemAskedForAndFortyAtLeast) {
  const auto kept = [](const std::string& k) {
    return spec_of("top_k_over_time(" + k + ", m[5m])", "countsketch").view->cells.building.keep;
  };
  EXPECT_EQ(kept("1"), 40U);
  EXPECT_EQ(kept("10"), 40U);
  EXPECT_EQ(kept("11"), 44U);
  EXPECT_EQ(kept("1000"), 4000U);
}

TEST(JobView, WeighsItemsByWhatGrowingRowsSay) {
  const auto weighted = [](const std::string& more) {
    return spec_of("top_k_over_time(10, m[5m])", "countminsketch", more).view->cells.building.weighted;
  };
  EXPECT_FALSE(weighted(""));
  EXPECT_FALSE(weighted(R"(,"item":"path")"));
  EXPECT_FALSE(weighted(R"(,"item":"path","values":"any")"));
  EXPECT_TRUE(weighted(R"(,"item":"path","values":"growing")"));
  EXPECT_FALSE(weighted(R"(,"values":"growing")")) << "there are no items";
}

TEST(JobView, MayRepushToASinkThatKeepsTheLargerOnlyWhatOnlyRises) {
  const auto granted = [](const std::string& query, const std::string& type, const std::string& more) {
    const auto spec = parse(query, type, R"(,"sink":"larger")" + more);
    if (!spec) return spec.refusal().field + " " + spec.refusal().detail;
    if (spec->engine.corrections == Corrections::hold) return std::string{"hold"};
    return std::string{spec->engine.rising_only ? "repush rising only" : "repush"};
  };
  const std::string growing = R"(,"values":"growing")";
  for (const char* rises : {"sum_over_time(m[5m])", "count_over_time(m[5m])", "max_over_time(m[5m])"}) {
    EXPECT_EQ(granted(rises, "stats", growing), "repush rising only") << rises;
    EXPECT_EQ(granted(rises, "stats", ""), "hold") << rises;
  }
  for (const char* falls : {"avg_over_time(m[5m])", "min_over_time(m[5m])", "last_over_time(m[5m])",
                            "increase(m[5m])", "rate(m[5m])"}) {
    EXPECT_EQ(granted(falls, "stats", growing), "hold") << falls;
  }
  EXPECT_EQ(granted("quantile_over_time(1, m[5m])", "ddsketch", growing), "hold");
  EXPECT_EQ(granted("top_k_over_time(1, m[5m])", "countsketch", growing), "hold");
  EXPECT_EQ(granted("count_distinct_over_time(m[5m])", "hll", growing), "hold") << "two numbers become one";
  EXPECT_EQ(granted("count_distinct_over_time(m[5m])", "hll", growing + R"(,"item":"user")"),
            "repush rising only");
  EXPECT_EQ(granted("rate(m[5m])", "stats", growing + R"(,"corrections":"repush")"),
            "corrections \"repush\" needs sinks that overwrite; sink \"larger\": it keeps the larger of two "
            "values, and one of rate may have to fall; expected \"hold\"");
}

struct Refused {
  std::string query;
  std::string type;
  std::string more;
  std::string told;  // field: detail
};

void expect_refused(const std::vector<Refused>& cases) {
  for (const Refused& one : cases) {
    const auto spec = parse(one.query, one.type, one.more);
    ASSERT_FALSE(spec) << one.query << " " << one.type << one.more;
    EXPECT_EQ(spec.refusal().kind, Refusal::Kind::invalid);
    EXPECT_EQ(spec.refusal().field + ": " + spec.refusal().detail, one.told);
  }
}

TEST(JobView, RefusesAQueryThatCannotBeReadOrAnswered) {
  expect_refused({
      {"quantile_over_time(0.99, m)", "ddsketch", "",
       "query: expected a window such as [5m] after the selector, found \")\" at column 27"},
      {"quantile_over_time(m[5m])", "ddsketch", "",
       "query: expected the quantile (a number from 0 to 1), found \"m\" at column 20"},
      {"m[5m]", "scalar", "",
       "query: a window needs a function around it, such as sum_over_time(name[5m]), found \"[\" at column "
       "2"},
      {"quantile_over_time(1.5, m[5m])", "ddsketch", "",
       "query: asks for the quantile 1.5; expected a number from 0 to 1"},
      {"quantile_over_time(NaN, m[5m])", "ddsketch", "",
       "query: asks for the quantile NaN; expected a number from 0 to 1"},
      {"top_k_over_time(2.5, m[5m])", "countsketch", "",
       "query: asks for 2.5 items; expected a whole number from 1 to 1000"},
      {"top_k_over_time(0, m[5m])", "countsketch", "",
       "query: asks for 0 items; expected a whole number from 1 to 1000"},
      {"rate(m[90s])", "stats", "",
       "query: has the window 1m30s, which is no multiple of the granularity; expected 1m, 2m and so on"},
      {"rate(m[5m])", "scalar", "", "sketch_type: \"scalar\" does not fit rate; expected \"stats\""},
      {"quantile_over_time(0.5, m[5m])", "hll", "",
       "sketch_type: \"hll\" does not fit quantile_over_time; expected \"ddsketch\""},
      {"top_k_over_time(5, m[5m])", "kll", "",
       "sketch_type: \"kll\" is not known; expected \"countsketch\" or \"countminsketch\""},
      {"m", "hll", "", "sketch_type: \"hll\" does not fit a plain selector; expected \"scalar\""},
  });
  const test::FakeContext context;
  const auto none = parse_job(
      R"-({"query":"rate(m[5m])","granularity":"1m","source":"trace","store_path":"p"})-", context, kNow);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.refusal().field + ": " + none.refusal().detail,
            "sketch_type: is missing; expected \"stats\"");
}

TEST(JobView, RefusesWhatIsOfBucketsOnly) {
  const std::string p50 = "quantile_over_time(0.5, m[5m])";
  expect_refused({
      {p50, "ddsketch", R"(,"output":"counter")",
       "output: \"counter\" adds up the values of buckets, and quantile_over_time has one for each window; "
       "expected \"gauge\""},
      {p50, "ddsketch", R"(,"absent":"zero")",
       "absent: \"zero\" is for plain selectors: for quantile_over_time a bucket without a value is nothing "
       "to merge; expected \"none\""},
      {p50, "ddsketch", R"(,"timestamp":"start")",
       "timestamp: \"start\" is for plain selectors: what quantile_over_time has of a window is stamped with "
       "its end; expected \"end\""},
      {p50, "ddsketch", R"(,"tolerance":0.01)",
       "tolerance: means nothing with a function: cells are sketches, of which a change has no size; leave "
       "it out"},
      {p50, "ddsketch", R"(,"finality":"learned:0.01,tolerance=1%")",
       "finality: has a tolerance, which means nothing with a function: cells are sketches, of which a "
       "change has no size; leave it out"},
  });
}

TEST(JobView, RefusesByAndItemWhereTheyMeanNothing) {
  const std::string p50 = "quantile_over_time(0.5, m[5m])";
  const std::string top = "top_k_over_time(5, m[5m])";
  expect_refused({
      {"m", "scalar", R"(,"by":["zone"])",
       "by: means nothing with a plain selector; leave it out, or ask for a function over a window such as "
       "sum_over_time(m[5m])"},
      {p50, "ddsketch", R"(,"by":"zone")", "by: expected a list of label names; found a string"},
      {p50, "ddsketch", R"(,"by":[1])", "by: expected label names, as strings; found a number"},
      {p50, "ddsketch", R"(,"by":["a","b","a"])", "by: names \"a\" twice"},
      {p50, "ddsketch", R"(,"by":["__name__"])",
       "by: names __name__; expected labels only: the output is named by \"record\""},
      {p50, "ddsketch", R"(,"by":["a-b"])",
       "by: has \"a-b\", which is not a label name; expected [a-zA-Z_][a-zA-Z0-9_]*"},
      {top, "countsketch", R"(,"item":"path","by":["path"])",
       "by: names \"path\", whose values are the items: series do not have it any more"},
      {top, "countsketch", R"(,"by":["item"])",
       "by: names \"item\", which is the label that tells the items of the answer apart"},
      {top, "countsketch", R"(,"labels":{"item":"x"})",
       "labels.item: is what tells the items of top_k_over_time apart; expected another label"},
      {p50, "ddsketch", R"(,"item":"path")",
       "item: means nothing with \"sketch_type\": \"ddsketch\", only with \"hll\" or \"countsketch\" or "
       "\"countminsketch\"; leave it out"},
      {"m", "scalar", R"(,"item":"path")",
       "item: means nothing with \"sketch_type\": \"scalar\", only with \"hll\" or \"countsketch\" or "
       "\"countminsketch\"; leave it out"},
      {"rate(m[5m])", "stats", R"(,"item":"path")",
       "item: means nothing with \"sketch_type\": \"stats\", only with \"hll\" or \"countsketch\" or "
       "\"countminsketch\"; leave it out"},
      {top, "countsketch", R"(,"item":"a-b")",
       "item: \"a-b\" is not a label name; expected [a-zA-Z_][a-zA-Z0-9_]*"},
      {top, "countsketch", R"(,"item":"")",
       "item: \"\" is not a label name; expected [a-zA-Z_][a-zA-Z0-9_]*"},
      {top, "countsketch", R"(,"item":"__name__")",
       "item: names __name__, which is the same for all; expected another label"},
      {top, "countsketch", R"(,"item":7)", "item: expected the name of a label, as a string; found a number"},
  });
}

TEST(JobView, RefusesParametersOfOtherSketches) {
  const auto only = [](const std::string& field, const std::string& type, const std::string& types) {
    return field + ": means nothing with \"sketch_type\": \"" + type + "\", only with " + types +
           "; leave it out";
  };
  const std::string p50 = "quantile_over_time(0.5, m[5m])";
  const std::string frequency = R"("countsketch" or "countminsketch")";
  expect_refused({
      {"m", "scalar", R"(,"accuracy":0.01)", only("accuracy", "scalar", "\"ddsketch\"")},
      {"rate(m[5m])", "stats", R"(,"max_bins":64)", only("max_bins", "stats", "\"ddsketch\"")},
      {p50, "ddsketch", R"(,"precision":12)", only("precision", "ddsketch", "\"hll\"")},
      {p50, "ddsketch", R"(,"width":64)", only("width", "ddsketch", frequency)},
      {p50, "ddsketch", R"(,"depth":4)", only("depth", "ddsketch", frequency)},
      {p50, "ddsketch", R"(,"error":0.1)", only("error", "ddsketch", frequency)},
      {p50, "ddsketch", R"(,"confidence":0.9)", only("confidence", "ddsketch", frequency)},
      {"count_distinct_over_time(m[5m])", "hll", R"(,"accuracy":0.1)",
       only("accuracy", "hll", "\"ddsketch\"")},
  });
}

TEST(JobView, RefusesParametersOutOfRange) {
  const std::string p50 = "quantile_over_time(0.5, m[5m])";
  const std::string top = "top_k_over_time(5, m[5m])";
  const std::string accuracy = "; expected a share from 0.0001 to 0.5 such as 0.01";
  const std::string apart = " \"error\" and \"confidence\" say the same as \"width\" and \"depth\"";
  expect_refused({
      {p50, "ddsketch", R"(,"accuracy":0)", "accuracy: 0 does not fit" + accuracy},
      {p50, "ddsketch", R"(,"accuracy":0.6)", "accuracy: 0.6 does not fit" + accuracy},
      {p50, "ddsketch", R"(,"accuracy":"NaN")", "accuracy: NaN does not fit" + accuracy},
      {p50, "ddsketch", R"(,"accuracy":"fine")", "accuracy: \"fine\" is not a number" + accuracy},
      {p50, "ddsketch", R"(,"accuracy":[])", "accuracy: expected" + accuracy.substr(10) + "; found an array"},
      {p50, "ddsketch", R"(,"max_bins":15)",
       "max_bins: 15 does not fit; expected 0, for as many as there are, or 16 to 131072"},
      {p50, "ddsketch", R"(,"max_bins":131073)",
       "max_bins: 131073 does not fit; expected a whole number from 0 to 131072"},
      {p50, "ddsketch", R"(,"max_bins":20.5)",
       "max_bins: 20.5 does not fit; expected a whole number from 0 to 131072"},
      {"count_distinct_over_time(m[5m])", "hll", R"(,"precision":3)",
       "precision: 3 does not fit; expected a whole number from 4 to 18"},
      {"count_distinct_over_time(m[5m])", "hll", R"(,"precision":19)",
       "precision: 19 does not fit; expected a whole number from 4 to 18"},
      {top, "countsketch", R"(,"width":1)",
       "width: 1 does not fit; expected a whole number from 2 to 262144"},
      {top, "countsketch", R"(,"depth":65)", "depth: 65 does not fit; expected a whole number from 1 to 64"},
      {top, "countsketch", R"(,"width":131072)",
       "width: takes 131072 x 4 cells, in rows of a power of two; expected at most 262144 in all, since "
       "every bucket of every series has them"},
      {top, "countsketch", R"(,"error":0.0001)",
       "error: takes 300000000 x 4 cells, in rows of a power of two; expected at most 262144 in all, since "
       "every bucket of every series has them"},
      {top, "countminsketch", R"(,"error":1e-300)",
       "error: takes 2.718281828459045e+300 x 4 cells, in rows of a power of two; expected at most 262144 in "
       "all, "
       "since every bucket of every series has them"},
      {top, "countminsketch", R"(,"error":1)",
       "error: 1 does not fit; expected a share between 0 and 1 such as 0.001"},
      {top, "countminsketch", R"(,"confidence":0)",
       "confidence: 0 does not fit; expected a share between 0 and 1 such as 0.99"},
      {top, "countminsketch", R"(,"width":64,"error":0.1)", "error: cannot stand beside \"width\":" + apart},
      {top, "countminsketch", R"(,"depth":4,"confidence":0.9,"error":0.1)",
       "error: cannot stand beside \"depth\":" + apart},
  });
}

TEST(JobView, IsTheSameJobHoweverItIsSpelled) {
  const auto same = [](const JobSpec& a, const JobSpec& b) {
    EXPECT_EQ(a.identity, b.identity);
    EXPECT_EQ(stream_identity(a), stream_identity(b));
  };
  same(p99(), spec_of(" ( quantile_over_time( 0.990 , m [300s] ) )", "ddsketch"));
  same(p99(R"(,"accuracy":0.02)"), p99(R"(,"accuracy":"2e-2")"));
  same(p99(R"(,"by":["b","a"])"), p99(R"(,"by":["a","b"])"));
  same(p99(R"(,"max_bins":64)"), p99(R"(,"max_bins":64.0)"));
  same(spec_of("topk_over_time(3, m[5m])", "countsketch"),
       spec_of("top_k_over_time(3, m[5m])", "countsketch"));
  EXPECT_NE(p99().identity, p99(R"(,"accuracy":0.01)").identity) << "a default that is spelled out";
  EXPECT_EQ(stream_identity(p99()), stream_identity(p99(R"(,"accuracy":0.01)")));
}

TEST(JobView, SharesItsStreamWithJobsOfTheSameResults) {
  const std::string stream = stream_identity(p99());
  for (const char* more :
       {R"(,"record":"r")", R"(,"labels":{"a":"b"})", R"(,"sink":"log")", R"(,"watch":"30m")",
        R"(,"timestamp":"end")", R"(,"max_bins":2048)", R"(,"values":"growing")"}) {
    EXPECT_EQ(stream_identity(p99(more)), stream) << more;
  }
  for (const char* more : {R"(,"by":[])", R"(,"by":["z"])", R"(,"watch":"1h")", R"(,"finality":"fixed:3m")",
                           R"(,"accuracy":0.02)", R"(,"corrections":"hold")", R"(,"ttl":"5m")"}) {
    EXPECT_NE(stream_identity(p99(more)), stream) << more;
  }
  EXPECT_NE(stream_identity(spec_of("quantile_over_time(0.95, m[5m])", "ddsketch")), stream);
  EXPECT_NE(stream_identity(spec_of("quantile_over_time(0.99, m[6m])", "ddsketch")), stream);
  EXPECT_NE(stream_identity(spec_of("quantile_over_time(0.99, n[5m])", "ddsketch")), stream);
  EXPECT_NE(stream_identity(spec_of("m", "scalar")), stream);
}

TEST(JobView, SharesItsCellsWithJobsThatAskOtherThingsOfThem) {
  const std::string feed = feed_identity(p99());
  EXPECT_EQ(feed_identity(spec_of("quantile_over_time(0.5, m[5m])", "ddsketch")), feed);
  EXPECT_EQ(feed_identity(spec_of("quantile_over_time(0.95, m[1h])", "ddsketch")), feed);
  for (const char* more : {R"(,"by":["z"])", R"(,"sink":"tsdb")", R"(,"corrections":"hold")",
                           R"(,"poll_interval":"10s")", R"(,"record":"r")"}) {
    EXPECT_EQ(feed_identity(p99(more)), feed) << more;
  }
  for (const char* more : {R"(,"accuracy":0.02)", R"(,"max_bins":64)", R"(,"finality":"consecutive:2")",
                           R"(,"watch":"1h")", R"(,"ttl":"5m")"}) {
    EXPECT_NE(feed_identity(p99(more)), feed) << more;
  }
  JobSpec elsewhere = p99();
  elsewhere.source = "edge";
  EXPECT_NE(feed_identity(elsewhere), feed);
  const auto sum = feed_identity(spec_of("sum_over_time(m[5m])", "stats"));
  EXPECT_EQ(feed_identity(spec_of("rate(m[1h])", "stats")), sum);
  EXPECT_NE(sum, feed);
  EXPECT_NE(feed_identity(spec_of("sum_over_time(n[5m])", "stats")), sum);
  const auto distinct = [](const std::string& more) {
    return feed_identity(spec_of("count_distinct_over_time(m[5m])", "hll", more));
  };
  EXPECT_NE(distinct(R"(,"item":"user")"), distinct(""));
  EXPECT_EQ(distinct(R"(,"item":"user","values":"growing")"), distinct(R"(,"item":"user")"));
  const auto top = [](const std::string& k, const std::string& type, const std::string& more) {
    return feed_identity(spec_of("top_k_over_time(" + k + ", m[5m])", type, R"(,"item":"path")" + more));
  };
  EXPECT_EQ(top("3", "countsketch", ""), top("10", "countsketch", ""));
  EXPECT_NE(top("3", "countsketch", ""), top("11", "countsketch", "")) << "more candidates";
  EXPECT_NE(top("3", "countsketch", ""), top("3", "countminsketch", ""));
  EXPECT_NE(top("3", "countsketch", ""), top("3", "countsketch", R"(,"values":"growing")"));
  EXPECT_EQ(top("3", "countminsketch", R"(,"error":0.01,"confidence":0.9)"),
            top("3", "countminsketch", R"(,"width":512,"depth":3)"));
}

TEST(JobView, OwnsSeriesByTheLabelsThatStay) {
  const auto disjoint = [](const std::string& more) {
    const std::string name = R"(,"record":"r")" + more;
    return provably_disjoint(spec_of("count_distinct_over_time(m{z=\"a\"}[5m])", "hll", name),
                             spec_of("count_distinct_over_time(m{z=\"b\"}[5m])", "hll", name));
  };
  EXPECT_TRUE(disjoint(""));
  EXPECT_TRUE(disjoint(R"(,"by":["z","y"])"));
  EXPECT_FALSE(disjoint(R"(,"by":["y"])")) << "z is merged away";
  EXPECT_FALSE(disjoint(R"(,"item":"z")")) << "z is what is counted";
  EXPECT_FALSE(provably_disjoint(spec_of("top_k_over_time(3, m{item=\"a\"}[5m])", "countsketch"),
                                 spec_of("top_k_over_time(3, m{item=\"b\"}[5m])", "countsketch")))
      << "the items of the answer replace it";
}

}  // namespace
}  // namespace settle::runner
