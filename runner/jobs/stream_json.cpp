#include "runner/jobs/stream_json.hpp"

#include <cmath>
#include <cstdint>
#include <utility>

#include <boost/json.hpp>

#include "engine/model/value.hpp"
#include "engine/promql/parser.hpp"
#include "engine/sketch/hll.hpp"
#include "engine/sketch/matrix.hpp"
#include "runner/jobs/record_reader.hpp"

namespace settle::runner {
namespace {

namespace json = boost::json;
using engine::Duration;
using engine::Result;
using query::Building;
using query::CellSpec;
using query::SketchType;

constexpr const char* kWhat = "the record of a stream";
constexpr unsigned kPrecisionMax = 21;

// The members are in the order of their names, so that equal streams have equal text. Stores hold this text:
// no byte of it may change.
json::object source_json(const JobSpec& spec, const engine::EngineOptions& options) {
  json::object object{{"absent", static_cast<std::uint64_t>(options.absent)},
                      {"absent_for_ms", options.absent_for.count()},
                      {"corrections", static_cast<std::uint64_t>(options.corrections)},
                      {"finality", engine::format_finality(options.finality)},
                      {"granularity_ms", options.granularity.count()}};
  if (options.in_order) object["in_order"] = true;
  object["liveness"] = static_cast<std::uint64_t>(options.liveness);
  object["open_cells_max"] = options.open_cells_max;
  object["output"] = static_cast<std::uint64_t>(options.output);
  object["query"] = spec.selector.text();
  if (options.rising_only) object["rising_only"] = true;
  object["series_idle_ms"] = options.series_idle.count();
  object["series_max"] = options.series_max;
  object["source"] = spec.source;
  object["ttl_ms"] = options.ttl.count();
  object["watch_ms"] = options.watch.count();
  return object;
}

/// With those parameters only that belong to the type: others make no difference.
json::object cells_json(const CellSpec& cells) {
  const Building& building = cells.building;
  json::object object{{"type", query::sketch_type_text(cells.type)}};
  if (!cells.item.empty()) object["item"] = cells.item;
  switch (cells.type) {
    case SketchType::scalar:
    case SketchType::stats:
      break;
    case SketchType::ddsketch:
      object["accuracy"] = engine::format_value(engine::Value::number(building.accuracy));
      object["max_bins"] = building.bin_limit;
      break;
    case SketchType::hll:
      object["precision"] = building.precision;
      break;
    case SketchType::countsketch:
    case SketchType::countminsketch:
      object["width"] = building.width;
      object["depth"] = building.depth;
      object["keep"] = building.keep;
      if (building.weighted) object["weighted"] = true;
      break;
  }
  return object;
}

engine::EngineOptions read_options(RecordReader& in) {
  engine::EngineOptions options;
  options.absent = in.enumeration("absent", engine::Absent::zero);
  options.absent_for = in.duration("absent_for_ms");
  options.corrections = in.enumeration("corrections", engine::Corrections::ledger);
  const auto policy = engine::parse_finality(in.text("finality"));
  if (policy) options.finality = *policy;
  if (!policy) in.wrong("finality");
  options.granularity = in.duration("granularity_ms");
  options.in_order = in.flag("in_order");
  options.liveness = in.enumeration("liveness", engine::Liveness::answers);
  options.open_cells_max = in.number<std::size_t>("open_cells_max");
  options.output = in.enumeration("output", engine::Output::counter);
  options.rising_only = in.flag("rising_only");
  options.series_idle = in.duration("series_idle_ms");
  options.series_max = in.number<std::size_t>("series_max");
  options.ttl = in.duration("ttl_ms");
  options.watch = in.duration("watch_ms");
  if (options.granularity <= Duration{}) in.wrong("granularity_ms");
  return options;
}

void read_building(RecordReader& in, SketchType type, Building& building) {
  if (type == SketchType::ddsketch) {
    const auto accuracy = engine::parse_value(in.text("accuracy"));
    if (accuracy) building.accuracy = accuracy->as_double();
    if (!accuracy || !(building.accuracy > 0 && building.accuracy < 1)) in.wrong("accuracy");
    building.bin_limit = in.number<std::int64_t>("max_bins");
    if (building.bin_limit < 0) in.wrong("max_bins");
  } else if (type == SketchType::hll) {
    building.precision = in.number<unsigned>("precision");
    const bool fits = building.precision >= sketch::kHllPrecisionMin && building.precision <= kPrecisionMax;
    if (!fits) in.wrong("precision");
  } else if (type == SketchType::countsketch || type == SketchType::countminsketch) {
    building.width = in.number<std::uint32_t>("width");
    building.depth = in.number<std::uint32_t>("depth");
    building.keep = in.number<std::size_t>("keep");
    building.weighted = in.flag("weighted");
    if (!sketch::MatrixShape{.rows = building.depth, .cols = building.width}.check()) in.wrong("width");
    if (building.keep == 0) in.wrong("keep");
  }
}

Result<CellSpec> read_cells(const json::object& object) {
  RecordReader in(object);
  CellSpec cells;
  const auto type = query::parse_sketch_type(in.text("type"));
  if (!type || *type == SketchType::scalar) return corrupt_member(kWhat, "type");
  cells.type = *type;
  if (in.has("item")) cells.item = in.text("item");
  read_building(in, cells.type, cells.building);
  if (!in.first_wrong().empty()) return corrupt_member(kWhat, in.first_wrong());
  return cells;
}

Result<query::ViewSpec> read_view(const json::object& object) {
  RecordReader in(object);
  query::ViewSpec view;
  auto asked = engine::parse_job_query(in.text("query"));
  RecordReader feed_in(in.object("feed"));
  if (!in.first_wrong().empty()) return corrupt_member(kWhat, in.first_wrong());
  const json::object& built = feed_in.object("cells");
  if (!feed_in.first_wrong().empty()) return corrupt_member(kWhat, feed_in.first_wrong());
  auto cells = read_cells(built);
  if (!cells) return cells.error();
  view.cells = *std::move(cells);
  view.feed = read_options(feed_in);
  view.feed.sketches = true;
  if (in.has("by")) view.by = in.texts("by");
  if (!asked || asked->function == engine::Function::select) return corrupt_member(kWhat, "query");
  view.query = *std::move(asked);
  for (const std::string& wrong : {feed_in.first_wrong(), in.first_wrong()}) {
    if (!wrong.empty()) return corrupt_member(kWhat, wrong);
  }
  return view;
}

}  // namespace

json::object feed_json(const JobSpec& spec) {
  json::object object = source_json(spec, spec.view->feed);
  object["cells"] = cells_json(spec.view->cells);
  return object;
}

json::object stream_json(const JobSpec& spec) {
  json::object object = source_json(spec, spec.engine);
  if (!spec.view) return object;
  json::object view{{"query", spec.view->query.text()}};
  if (spec.view->by) view["by"] = json::value_from(*spec.view->by);
  view["feed"] = feed_json(spec);
  object["view"] = std::move(view);
  return object;
}

Result<StreamSpec> read_stream_json(const json::object& object) {
  RecordReader in(object);
  StreamSpec spec;
  spec.engine = read_options(in);
  spec.source = in.text("source");
  auto selector = engine::parse_selector(in.text("query"));
  if (!selector) in.wrong("query");
  if (!in.first_wrong().empty()) return corrupt_member(kWhat, in.first_wrong());
  spec.selector = *std::move(selector);
  if (!in.has("view")) return spec;
  auto view = read_view(in.object("view"));
  if (!view) return view.error();
  if (view->query.selector.text() != spec.selector.text()) return corrupt_member(kWhat, "query");
  spec.view = *std::move(view);
  return spec;
}

}  // namespace settle::runner
