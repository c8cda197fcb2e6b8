#include "runner/jobs/job_view.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <numbers>
#include <span>
#include <utility>

#include <boost/json.hpp>

#include "engine/model/label_text.hpp"
#include "engine/model/series.hpp"
#include "engine/model/value.hpp"
#include "engine/promql/parser.hpp"
#include "engine/sketch/bins.hpp"
#include "engine/sketch/hll.hpp"
#include "engine/sketch/matrix.hpp"

namespace settle::runner {
namespace {

namespace json = boost::json;
using engine::Function;
using query::Building;
using query::SketchType;
using sketch::MatrixShape;

constexpr std::array kDdsketch{SketchType::ddsketch};
constexpr std::array kHll{SketchType::hll};
constexpr std::array kFrequency{SketchType::countsketch, SketchType::countminsketch};
constexpr std::array kOfItems{SketchType::hll, SketchType::countsketch, SketchType::countminsketch};

struct Belonging {
  const char* field;
  std::span<const SketchType> types;
};
constexpr std::array kBelongings{
    Belonging{"item", kOfItems},    Belonging{"accuracy", kDdsketch},    Belonging{"max_bins", kDdsketch},
    Belonging{"precision", kHll},   Belonging{"width", kFrequency},      Belonging{"depth", kFrequency},
    Belonging{"error", kFrequency}, Belonging{"confidence", kFrequency},
};

constexpr double kAccuracyMin = 0.0001;  // finer, all bins together span less than ten decades
constexpr double kAccuracyMax = 0.5;
constexpr double kBinsMin = 16;
constexpr double kPrecisionMax = 18;
constexpr double kWidthMin = 2;
constexpr std::size_t kKeepMin = 40;
constexpr std::size_t kKeepPerItem = 4;

std::string number_text(double number) {
  return engine::format_value(engine::Value::number(number));
}

/// A number, or a text that is one, as YAML has it. None: not given, or refused.
std::optional<double> read_number(JsonRequest& in, const char* field, const std::string& expected) {
  const json::value* value = in.body().if_contains(field);
  if (value == nullptr) return std::nullopt;
  double number = 0;
  if (value->is_number()) {
    number = value->to_number<double>();
  } else if (value->is_string()) {
    const std::string text(value->get_string());
    const auto read = engine::parse_value(text);
    if (!read) {
      in.refuse(field, quoted(text) + " is not a number; expected " + expected);
      return std::nullopt;
    }
    number = read->as_double();
  } else {
    in.refuse(field, "expected " + expected + "; found " + type_name(*value));
    return std::nullopt;
  }
  in.note_json(field, quoted(number_text(number)));
  return number;
}

struct Bounds {
  double least;
  double most;
};

/// None: not given, or refused.
std::optional<std::uint32_t> read_whole(JsonRequest& in, const char* field, Bounds bounds) {
  const std::string expected =
      "a whole number from " + number_text(bounds.least) + " to " + number_text(bounds.most);
  const auto number = read_number(in, field, expected);
  if (!number) return std::nullopt;
  if (*number >= bounds.least && *number <= bounds.most && std::trunc(*number) == *number) {
    return static_cast<std::uint32_t>(*number);
  }
  in.refuse(field, number_text(*number) + " does not fit; expected " + expected);
  return std::nullopt;
}

/// Between 0 and 1, both excluded. None: not given, or refused.
std::optional<double> read_share(JsonRequest& in, const char* field, const char* example) {
  const std::string expected = std::string("a share between 0 and 1 such as ") + example;
  const auto number = read_number(in, field, expected);
  if (!number || (*number > 0 && *number < 1)) return number;
  in.refuse(field, number_text(*number) + " does not fit; expected " + expected);
  return std::nullopt;
}

void read_ddsketch(JsonRequest& in, Building& building) {
  const std::string expected = "a share from 0.0001 to 0.5 such as 0.01";
  if (const auto accuracy = read_number(in, "accuracy", expected)) {
    building.accuracy = *accuracy;
    if (!(*accuracy >= kAccuracyMin && *accuracy <= kAccuracyMax)) {
      in.refuse("accuracy", number_text(*accuracy) + " does not fit; expected " + expected);
    }
  }
  constexpr auto kMost = static_cast<double>(sketch::Bins::kMost);
  if (const auto bins = read_whole(in, "max_bins", {.least = 0, .most = kMost})) {
    building.bin_limit = *bins;
    if (*bins != 0 && *bins < kBinsMin) {
      in.refuse("max_bins", number_text(*bins) + " does not fit; expected 0, for as many as there are, or " +
                                number_text(kBinsMin) + " to " + number_text(kMost));
    }
  }
}

/// Columns for an error that is a share of the total weight (Count-Min) or of its second norm (CountSketch).
double columns_of(SketchType type, double error) {
  return std::ceil(type == SketchType::countminsketch ? std::numbers::e / error : 3 / (error * error));
}

/// Columns are powers of two, so that every one is met as often as another.
// 2 MiB. What sources send may be larger, up to MatrixShape::kCellsMax.
constexpr std::size_t kBuiltCellsMax = std::size_t{1} << 18;

void read_shape(JsonRequest& in, SketchType type, Building& building) {
  constexpr auto kCellsMax = static_cast<double>(kBuiltCellsMax);
  for (const char* shape : {"width", "depth"}) {
    for (const char* share : {"error", "confidence"}) {
      if (in.given(shape) && in.given(share)) {
        return in.refuse(share,
                         "cannot stand beside \"" + std::string(shape) +
                             "\": \"error\" and \"confidence\" say the same as \"width\" and \"depth\"");
      }
    }
  }
  const bool by_error = in.given("error") || in.given("confidence");
  double columns = building.width;
  if (const auto width = read_whole(in, "width", {.least = kWidthMin, .most = kCellsMax})) columns = *width;
  if (const auto error = read_share(in, "error", "0.001")) columns = columns_of(type, *error);
  constexpr double kRowsMax = MatrixShape::kRowsMax;
  if (const auto depth = read_whole(in, "depth", {.least = 1, .most = kRowsMax})) building.depth = *depth;
  if (const auto confidence = read_share(in, "confidence", "0.99")) {
    building.depth = static_cast<std::uint32_t>(std::max(std::ceil(-std::log1p(-*confidence)), 1.0));
  }
  if (in.failed()) return;
  const double least = std::min(columns, kCellsMax + 1);  // whatever is more is refused
  building.width = std::bit_ceil(static_cast<std::uint32_t>(least));
  const MatrixShape shape{.rows = building.depth, .cols = building.width};
  if (shape.cells() <= kBuiltCellsMax) return;
  in.refuse(by_error ? "error" : "width",
            "takes " + number_text(columns) + " x " + std::to_string(building.depth) +
                " cells, in rows of a power of two; expected at most " + number_text(kCellsMax) +
                " in all, since every bucket of every series has them");
}

void read_frequency(JsonRequest& in, query::ViewSpec& view, Values values) {
  Building& building = view.cells.building;
  read_shape(in, view.cells.type, building);
  building.weighted = !view.cells.item.empty() && values == Values::growing;
  building.keep = std::max(kKeepMin, kKeepPerItem * static_cast<std::size_t>(view.query.parameter));
}

std::string any_of(std::span<const SketchType> types) {
  std::string text;
  for (const SketchType type : types) {
    text += (text.empty() ? "" : " or ") + quoted(query::sketch_type_text(type));
  }
  return text;
}

/// What was given and belongs to another type of sketch.
void check_belongings(JsonRequest& in, const std::string& sketch_type) {
  const auto type = query::parse_sketch_type(sketch_type);
  for (const Belonging& one : kBelongings) {
    const bool belongs = type && std::find(one.types.begin(), one.types.end(), *type) != one.types.end();
    if (!in.given(one.field) || belongs) continue;
    return in.refuse(one.field, "means nothing with \"sketch_type\": " + quoted(sketch_type) +
                                    ", only with " + any_of(one.types) + "; leave it out");
  }
}

void read_item(JsonRequest& in, query::ViewSpec& view) {
  const auto item = in.text("item", "the name of a label");
  if (!item) return;
  view.cells.item = *item;
  if (*item == engine::kMetricNameLabel) {
    return in.refuse("item", "names __name__, which is the same for all; expected another label");
  }
  if (!engine::is_label_name(*item)) {
    in.refuse("item", quoted(*item) + " is not a label name; expected [a-zA-Z_][a-zA-Z0-9_]*");
  }
}

bool names_items(const query::ViewSpec& view) {
  return view.query.function == Function::top_k_over_time;
}

void read_by(JsonRequest& in, query::ViewSpec& view) {
  const json::value* given_list = in.body().if_contains("by");
  if (given_list == nullptr) return;
  if (!given_list->is_array()) {
    return in.refuse("by", "expected a list of label names; found " + type_name(*given_list));
  }
  std::vector<std::string> by;
  for (const json::value& name : given_list->get_array()) {
    if (!name.is_string())
      return in.refuse("by", "expected label names, as strings; found " + type_name(name));
    by.emplace_back(name.get_string());
  }
  if (const auto fault = query::by_fault(by)) return in.refuse(fault->field, fault->detail);
  const auto has = [&by](const std::string& name) {
    return std::find(by.begin(), by.end(), name) != by.end();
  };
  if (!view.cells.item.empty() && has(view.cells.item)) {
    return in.refuse("by", "names " + quoted(view.cells.item) +
                               ", whose values are the items: series do not have it any more");
  }
  if (names_items(view) && has(kItemLabel)) {
    return in.refuse("by", "names \"item\", which is the label that tells the items of the answer apart");
  }
  std::sort(by.begin(), by.end());
  in.note_json("by", json::serialize(json::value_from(by)));
  view.by = std::move(by);
}

}  // namespace

engine::JobQuery read_query(JsonRequest& in, JobSpec& spec) {
  const std::string text =
      in.required("query",
                  "a series selector such as requests_total{zone=\"a\"}, or a function over a window such as "
                  "sum_over_time(requests_total[5m])");
  if (in.failed()) return {};
  auto query = engine::parse_job_query(text);
  if (!query) {
    in.refuse("query", query.error().detail);
    return {};
  }
  spec.selector = query->selector;
  spec.query = query->text();
  in.note_text("query", spec.query);
  return *std::move(query);
}

void read_sketch_type(JsonRequest& in, JobSpec& spec, const engine::JobQuery& query) {
  if (in.failed()) return;
  const auto given = in.text("sketch_type", "the kind of sketch that answers the query");
  if (in.failed()) return;
  if (const auto fault = query::job_fault(query, spec.engine.granularity, given)) {
    return in.refuse(fault->field, fault->detail);
  }
  spec.sketch_type = *given;
  if (query.function == Function::select) return;
  spec.view.emplace();
  spec.view->query = query;
  spec.view->cells.type = *query::parse_sketch_type(*given);
}

void read_view(JsonRequest& in, JobSpec& spec) {
  if (in.failed()) return;
  check_belongings(in, spec.sketch_type);
  if (!spec.view) {
    if (!in.given("by")) return;
    return in.refuse("by",
                     "means nothing with a plain selector; leave it out, or ask for a function over a window "
                     "such as sum_over_time(" +
                         spec.query + "[5m])");
  }
  if (in.failed()) return;
  query::ViewSpec& view = *spec.view;
  read_item(in, view);
  read_by(in, view);
  switch (view.cells.type) {
    case SketchType::scalar:
    case SketchType::stats:
      break;
    case SketchType::ddsketch:
      return read_ddsketch(in, view.cells.building);
    case SketchType::hll:
      if (const auto bits =
              read_whole(in, "precision", {.least = sketch::kHllPrecisionMin, .most = kPrecisionMax})) {
        view.cells.building.precision = *bits;
      }
      return;
    case SketchType::countsketch:
    case SketchType::countminsketch:
      return read_frequency(in, view, spec.values);
  }
}

void split_options(JobSpec& spec) {
  if (!spec.view) return;
  engine::EngineOptions& feed = spec.view->feed;
  feed = spec.engine;
  feed.sketches = true;
  engine::EngineOptions& results = spec.engine;
  // A window's result is there when its cells are final, and changes when one of them is corrected.
  results.finality = engine::Consecutive{1};
  results.liveness = engine::Liveness::answers;
  // So long may the cells of its newest bucket change, and the change is on its way after that.
  results.watch = feed.watch + 2 * feed.granularity + spec.poll_interval;
}

}  // namespace settle::runner
