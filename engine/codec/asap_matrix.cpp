#include "engine/codec/asap_matrix.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "engine/codec/asap_cells.hpp"
#include "engine/codec/asap_keys.hpp"
#include "engine/codec/wire.hpp"
#include "engine/sketch/matrix_kernels.hpp"

namespace settle::codec {

namespace {

using sketch::CellSign;
using sketch::CountMin;
using sketch::CountSketch;
using sketch::Matrix;
using sketch::MatrixShape;
using sketch::MatrixSketch;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
// Cells that a delta may bring into being: its few bytes say a shape only.
constexpr std::size_t kDeltaCellsMax = std::size_t{1} << 22;

engine::Error wrong(std::string_view what) {
  return engine::refused("not a matrix of ASAP: " + std::string{what});
}

std::uint32_t small(std::uint64_t value) {
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(value, UINT32_MAX));
}

void add_numbers(PackedField& field, const WireReader& message) {
  if (message.is(WireType::bytes)) field.add(message.bytes());
  if (message.is(WireType::varint)) field.add_varint(message.varint());
  if (message.is(WireType::fixed64)) field.add_f64(message.f64());
}

struct State {
  MatrixShape shape;
  std::uint64_t counter_type = 0;
  PackedField integers;
  PackedField doubles;
  AsapKeys keys;
  double absent = kInfinity;

  [[nodiscard]] engine::Result<void> read(std::string_view message);
  [[nodiscard]] engine::Result<void> check(CellSign sign) const;
  void add(double* into, double factor) const;

 private:
  [[nodiscard]] bool is_wide() const { return counter_type == 3; }
};

engine::Result<void> State::read(std::string_view message) {
  WireReader fields{message};
  std::uint64_t rule = 0;
  while (fields.next()) {
    switch (fields.field()) {
      case 1:
        shape.rows = small(fields.varint());
        break;
      case 2:
        shape.cols = small(fields.varint());
        break;
      case 3:
        counter_type = fields.varint();
        break;
      case 4:
        add_numbers(integers, fields);
        break;
      case 5:
        add_numbers(doubles, fields);
        break;
      case 7:
        if (fields.is(WireType::bytes) && !keys.read_heap(fields.bytes()))
          return wrong("its heap does not decode");
        break;
      case 16:
        keys.read_text(fields.bytes());
        break;
      case 1000:
        absent = fields.f64();
        break;
      case 1001:
        if (!keys.read_other(fields.bytes())) return wrong("a key does not decode");
        break;
      case 1002:
        rule = fields.varint();
        break;
      case 1003:
        shape.seed = fields.varint();
        break;
      default:
        break;
    }
  }
  if (fields.failed()) return wrong("its bytes are no message");
  if (rule > static_cast<std::uint64_t>(MatrixShape::Rule::xxh32)) return wrong("its hashing is unknown");
  shape.rule = static_cast<MatrixShape::Rule>(rule);
  return {};
}

engine::Result<void> State::check(CellSign sign) const {
  if (auto fine = shape.check(); !fine) return fine;
  if (counter_type > 4) return wrong("counters of type " + std::to_string(counter_type));
  if (!(absent >= 0)) return wrong("the weight of absent keys is negative, or no number");
  const std::string_view whole = integers.bytes();
  const std::string_view real = doubles.bytes();
  const std::size_t n = shape.cells();
  bool fine = false;
  if (!real.empty()) {
    fine = whole.empty() && real.size() == 8 * n && sketch::are_f64_cells(real.data(), n, sign);
  } else {
    fine = is_wide() ? are_wide_cells(whole, n, sign) : are_zigzag_cells(whole, n, sign);
  }
  if (fine) return {};
  return wrong("its cells are not those of " + shape.text() +
               (sign == CellSign::any ? ", or one is no number" : ", or one is negative or no number"));
}

void State::add(double* into, double factor) const {
  const std::string_view real = doubles.bytes();
  if (real.empty()) {
    is_wide() ? add_wide_cells(into, integers.bytes(), factor)
              : add_zigzag_cells(into, integers.bytes(), factor);
  } else if (factor != 1) {
    for (std::size_t i = 0; i < shape.cells(); ++i) into[i] += factor * f64_at(real.data() + 8 * i);
  } else {
    (void)sketch::add_f64_cells(into, real.data(), shape.cells(), CellSign::any);  // check() saw them
  }
}

/// What both families share; everything that can fail comes first.
engine::Result<void> merge_state(MatrixSketch& into, std::string_view message, double sample_p,
                                 CellSign sign) {
  if (message.empty()) return {};
  State state;
  if (auto read = state.read(message); !read) return read;
  if (auto fits = into.matrix().fits(state.shape); !fits) return fits;
  if (auto fine = state.check(sign); !fine) return fine;
  if (auto room = state.keys.room_in(into.items()); !room) return room;
  Matrix& matrix = into.matrix();
  matrix.take_shape(state.shape);
  const double factor = matrix.join_sample_p(sample_p);
  state.add(matrix.cells().data(), factor);
  state.keys.name_in(into.items());
  into.items().add_absent(state.keys.is_all() ? 0 : state.absent * factor);
  return {};
}

struct Cell {
  std::uint64_t row = 0;
  std::uint64_t col = 0;
  double add = 0;
};

struct Delta {
  std::uint32_t rows = 0;
  std::uint32_t cols = 0;
  PackedField cell_rows;
  PackedField cell_cols;
  PackedField increments;
  std::vector<Cell> cells;
  AsapKeys keys;

  [[nodiscard]] engine::Result<void> read(std::string_view message, CellSign sign);
};

bool read_cell(std::string_view message, Cell& cell) {
  WireReader fields{message};
  while (fields.next()) {
    if (fields.field() == 1) cell.row = fields.varint();
    if (fields.field() == 2) cell.col = fields.varint();
    if (fields.field() == 3) cell.add = fields.f64();
  }
  return !fields.failed();
}

engine::Result<void> Delta::read(std::string_view message, CellSign sign) {
  WireReader fields{message};
  while (fields.next()) {
    switch (fields.field()) {
      case 1:
        rows = small(fields.varint());
        break;
      case 2:
        cols = small(fields.varint());
        break;
      case 3:
        if (!read_cell(fields.bytes(), cells.emplace_back()))
          return wrong("a cell of the delta does not decode");
        break;
      case 5:  // Count-Min: derived numbers
        if (sign == CellSign::any && !keys.read_heap(fields.bytes()))
          return wrong("the delta's heap does not decode");
        break;
      case 6:
        keys.read_text(fields.bytes());
        break;
      case 9:
        add_numbers(cell_rows, fields);
        break;
      case 10:
        add_numbers(cell_cols, fields);
        break;
      case 11:
        add_numbers(increments, fields);
        break;
      default:
        break;
    }
  }
  if (fields.failed()) return wrong("its bytes are no message");
  PackedVarints row{cell_rows.bytes()};
  PackedVarints col{cell_cols.bytes()};
  PackedVarints increment{increments.bytes()};
  Cell cell;
  std::uint64_t add = 0;
  while (row.next(cell.row)) {
    if (!col.next(cell.col) || !increment.next(add))
      return wrong("the delta's rows, columns and increments differ");
    cell.add = static_cast<double>(from_zigzag(add));
    cells.push_back(cell);
  }
  if (row.failed() || col.next(cell.col) || increment.next(add) || col.failed() || increment.failed()) {
    return wrong("the delta's rows, columns and increments differ");
  }
  return {};
}

engine::Result<void> merge_delta(MatrixSketch& into, std::string_view message, CellSign sign) {
  if (message.empty()) return {};
  Delta delta;
  if (auto read = delta.read(message, sign); !read) return read;
  const MatrixShape shape{.rows = delta.rows, .cols = delta.cols};
  if (auto fine = shape.check(); !fine) return fine;
  if (auto fits = into.matrix().fits(shape); !fits) return fits;
  if (into.matrix().cells_in_use() == 0 && shape.cells() > kDeltaCellsMax) {
    return wrong("a delta to nothing of " + shape.text());
  }
  for (const Cell& cell : delta.cells) {
    const bool fine = cell.row < shape.rows && cell.col < shape.cols &&
                      std::abs(cell.add) <= sketch::kCellMax && (sign == CellSign::any || cell.add >= 0);
    if (!fine)
      return wrong("a cell of the delta lies outside " + shape.text() + ", or its increment is not valid");
  }
  if (auto room = delta.keys.room_in(into.items()); !room) return room;
  Matrix& matrix = into.matrix();
  matrix.take_shape(shape);
  const double factor = matrix.join_sample_p(1);
  const auto cells = matrix.cells();
  for (const Cell& cell : delta.cells) cells[cell.row * shape.cols + cell.col] += factor * cell.add;
  delta.keys.name_in(into.items());
  into.items().add_absent(kInfinity);
  return {};
}

}  // namespace

engine::Result<void> merge_asap_count_min(CountMin& into, std::string_view state, double sample_p) {
  return merge_state(into, state, sample_p, CellSign::not_negative);
}
engine::Result<void> merge_asap_count_sketch(CountSketch& into, std::string_view state, double sample_p) {
  return merge_state(into, state, sample_p, CellSign::any);
}
engine::Result<void> merge_asap_count_min_delta(CountMin& into, std::string_view delta) {
  return merge_delta(into, delta, CellSign::not_negative);
}
engine::Result<void> merge_asap_count_sketch_delta(CountSketch& into, std::string_view delta) {
  return merge_delta(into, delta, CellSign::any);
}

std::string encode_asap_matrix(const MatrixSketch& from) {
  const Matrix& matrix = from.matrix();
  const MatrixShape& shape = matrix.shape();
  const std::vector<double> zeros(matrix.cells_in_use() == 0 ? shape.cells() : 0);
  const double* cells = zeros.empty() ? matrix.cells().data() : zeros.data();
  const bool whole = std::all_of(cells, cells + shape.cells(), [](double cell) {
    return std::abs(cell) < 0x1p53 && cell == std::trunc(cell);
  });
  WireWriter out;
  out.varint(1, shape.rows);
  out.varint(2, shape.cols);
  out.varint(3, whole ? 2 : 4);
  if (whole) {
    std::size_t size = 0;
    for (std::size_t i = 0; i < shape.cells(); ++i)
      size += varint_size(to_zigzag(static_cast<std::int64_t>(cells[i])));
    out.open(4, size);
    for (std::size_t i = 0; i < shape.cells(); ++i)
      out.raw_varint(to_zigzag(static_cast<std::int64_t>(cells[i])));
  } else {
    out.doubles(5, cells, shape.cells());
  }
  write_asap_keys(out, from.items().keys());
  if (from.items().absent_at_most() < kInfinity) out.f64(1000, from.items().absent_at_most());
  if (shape.rule != MatrixShape::Rule::asap_packed) {
    out.varint(1002, static_cast<std::uint64_t>(shape.rule));
    out.varint(1003, shape.seed);
  }
  return std::move(out).take();
}

}  // namespace settle::codec
