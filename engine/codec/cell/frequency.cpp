// engine/codec/cell/frequency.cpp: heavy hitters in cell frames.
#include <cmath>
#include <vector>

#include "engine/codec/cell/bodies.hpp"
#include "engine/codec/cell/columns.hpp"
#include "engine/sketch/matrix_kernels.hpp"

namespace settle::codec::cell {

namespace {

using sketch::CellSign;
using sketch::FrequentItems;
using sketch::kCellMax;
using sketch::Key;
using sketch::Matrix;
using sketch::MatrixShape;
using sketch::MatrixSketch;

// Cells that few bytes may bring into being; larger matrices have all of theirs written.
constexpr std::size_t kSparseCellsMax = std::size_t{1} << 22;

engine::Error wrong(std::string_view what) {
  return engine::refused("not a sketch of frequencies in a cell frame: " + std::string{what});
}

std::uint32_t read_u32(engine::ByteReader& in) {
  const std::uint64_t value = read_varint(in);
  if (value > UINT32_MAX) in.fail();
  return static_cast<std::uint32_t>(value);
}

struct MatrixParts {
  MatrixShape shape;
  double sample_p = 1;
  double absent = 0;
  Keys keys;
  std::string_view cells;

  [[nodiscard]] engine::Result<void> read(engine::ByteReader& in, CellSign sign);
};

engine::Result<void> MatrixParts::read(engine::ByteReader& in, CellSign sign) {
  shape.rows = read_u32(in);
  shape.cols = read_u32(in);
  const std::uint8_t rule = in.byte();
  shape.rule = static_cast<MatrixShape::Rule>(rule);
  shape.seed = in.fixed64();
  sample_p = read_f64(in);
  absent = read_f64(in);
  keys = read_keys(in);
  if (in.failed()) return wrong("it is cut short, or its keys are not in order");
  if (rule > static_cast<std::uint8_t>(MatrixShape::Rule::xxh32)) return wrong("its hashing is unknown");
  const bool has_signs =
      shape.rule == MatrixShape::Rule::asap_packed || shape.rule == MatrixShape::Rule::asap_regular;
  if (sign == CellSign::any && !has_signs) return wrong("its hashing has no signs");
  if (shape.seed != 0 && shape.rule != MatrixShape::Rule::datasketches)
    return wrong("its hashing has no seed");
  if (!sketch::is_share(sample_p)) return wrong("its share of samples is none");
  if (!(absent >= 0)) return wrong("the weight of absent keys is negative, or no number");
  return shape.check();
}

engine::Result<void> merge_matrix(MatrixSketch& into, std::string_view body, CellSign sign) {
  if (body.empty()) return {};
  engine::ByteReader in{body};
  MatrixParts parts;
  if (auto read = parts.read(in, sign); !read) return read;
  const std::size_t cells = parts.shape.cells();
  const Runs runs{in,
                  {.places = cells,
                   .numbers = {.below = kCellMax, .negative = sign == CellSign::any},
                   .whole = cells > kSparseCellsMax}};
  if (!in.done()) return wrong("its cells are not those of " + parts.shape.text());
  if (runs.empty() && parts.sample_p != 1) return wrong("it has no cells, but a share of samples");
  if (auto fits = into.matrix().fits(parts.shape); !fits) return fits;
  if (auto room = into.items().room_for(parts.keys.keys.size(), parts.keys.bytes); !room) return room;
  Matrix& matrix = into.matrix();
  matrix.take_shape(parts.shape);
  double factor = 1;
  if (!runs.empty()) {
    factor = matrix.join_sample_p(parts.sample_p);
    double* to = matrix.cells().data();
    runs.for_each([&](std::size_t place, double number) { to[place] += factor * number; });
  }
  for (const Key& key : parts.keys.keys) into.items().name(key);
  into.items().add_absent(parts.absent * factor);
  return {};
}

}  // namespace

engine::Result<void> merge_count_min(sketch::CountMin& into, std::string_view body) {
  return merge_matrix(into, body, CellSign::not_negative);
}
engine::Result<void> merge_count_sketch(sketch::CountSketch& into, std::string_view body) {
  return merge_matrix(into, body, CellSign::any);
}

std::string encode_matrix(const MatrixSketch& from) {
  const Matrix& matrix = from.matrix();
  if (!matrix.has_shape()) return {};
  const MatrixShape& shape = matrix.shape();
  engine::ByteWriter out;
  out.varint(shape.rows);
  out.varint(shape.cols);
  out.byte(static_cast<std::uint8_t>(shape.rule));
  out.fixed64(shape.seed);
  write_f64(out, matrix.is_zero() ? 1 : matrix.sample_p());
  write_f64(out, from.items().absent_at_most());
  write_keys(out, sorted_keys(from.items().keys()));
  write_runs(out, matrix.cells(), 0, shape.cells() > kSparseCellsMax);
  return std::move(out).take();
}

engine::Result<void> merge_frequent_items(FrequentItems& into, std::string_view body) {
  constexpr NumberLimits kWeights{.below = kCellMax, .negative = false};
  engine::ByteReader in{body};
  const double total = read_f64(in);
  const double offset = read_f64(in);
  const Keys keys = read_keys(in);
  if (in.failed()) return wrong("it is cut short, or its items are not in order");
  if (!(total >= 0 && total < kCellMax && offset >= 0 && offset < kCellMax)) {
    return wrong("its total or its offset is no weight");
  }
  if (!keys.keys.empty()) {
    const Column weights = read_column(in, keys.keys.size(), kWeights);
    if (!in.done()) return wrong("its weights are not those of its items");
    if (auto room = into.items().room_for(keys.keys.size(), keys.bytes); !room) return room;
    std::size_t i = 0;
    for (const Key& key : keys.keys) into.items().at(key) += weights.at(i++);
  }
  if (!in.done()) return wrong("it is too long");
  into.add_source(total, offset);
  return {};
}

std::string encode_frequent_items(const FrequentItems& from) {
  const std::vector<Key> keys = sorted_keys(from.items());
  std::vector<double> weights;
  weights.reserve(keys.size());
  for (const Key& key : keys) weights.push_back(*from.items().find(key));
  engine::ByteWriter out;
  write_f64(out, from.total());
  write_f64(out, from.offset());
  write_keys(out, keys);
  if (!keys.empty()) write_column(out, weights);
  return std::move(out).take();
}

}  // namespace settle::codec::cell
