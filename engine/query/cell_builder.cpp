#include "engine/query/cell_builder.hpp"

#include <cmath>
#include <variant>

#include "engine/codec/cell/frame.hpp"
#include "engine/sketch/counts.hpp"

namespace settle::query {

namespace {

sketch::Accumulator blank_of(const CellSpec& spec) {
  const Building& building = spec.building;
  const sketch::MatrixShape shape{.rows = building.depth, .cols = building.width};
  switch (spec.type) {
    case SketchType::ddsketch:
      return sketch::DDSketch{sketch::Mapping::of_accuracy(building.accuracy), building.bin_limit};
    case SketchType::hll:
      return sketch::Hll::of_precision(building.precision);
    case SketchType::countsketch:
      return sketch::CountSketch{shape, building.keep};
    case SketchType::countminsketch:
      return sketch::CountMin{shape, building.keep};
    case SketchType::stats:
      return sketch::Stats{};
    case SketchType::scalar:
      break;
  }
  return {};
}

}  // namespace

CellBuilder::CellBuilder(const CellSpec& spec) : spec_(spec), blank_(blank_of(spec)), cell_(blank_) {}

void CellBuilder::begin(engine::Time end) {
  if (!empty_) cell_ = blank_;
  end_ = end;
  empty_ = true;
}

std::string_view CellBuilder::add(const engine::Value& number, std::string_view item) {
  const double value = number.as_double();
  if (auto* const ddsketch = std::get_if<sketch::DDSketch>(&cell_)) {
    if (!ddsketch->add(value)) return "its value is not finite";
  } else if (auto* const stats = std::get_if<sketch::Stats>(&cell_)) {
    if (!std::isfinite(value)) return "its value is not finite";
    if (!empty_) return "its series has another number in the same bucket";
    (void)stats->add(end_, value);
  } else if (auto* const hll = std::get_if<sketch::Hll>(&cell_)) {
    spec_.item.empty() ? hll->add(value) : hll->add(item);
  } else if (const auto wrong = weigh(number, item); !wrong.empty()) {
    return wrong;
  }
  empty_ = false;
  return {};
}

std::string_view CellBuilder::weigh(const engine::Value& number, std::string_view item) {
  if (spec_.item.empty()) return "there is no label whose values are weighed (\"item\")";
  const double weight = spec_.building.weighted ? number.as_double() : 1;
  if (!(std::abs(weight) < sketch::kCountBound)) return "its weight is not finite, or 2^65 and more";
  const sketch::Key key{.bytes = item};
  if (auto* const count_min = std::get_if<sketch::CountMin>(&cell_)) {
    if (weight < 0) return "its weight is negative";
    // Of no weight is no candidate; but the bucket has been said.
    if (weight > 0) count_min->add(key, weight);
  } else if (auto* const count_sketch = std::get_if<sketch::CountSketch>(&cell_)) {
    if (weight != 0) count_sketch->add(key, weight);
  } else {
    return "numbers are not made into sketches of this kind";
  }
  return {};
}

std::string CellBuilder::frame() const {
  return codec::encode_cell(cell_);
}

}  // namespace settle::query
