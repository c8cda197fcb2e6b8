#include "engine/codec/datasketches_count_min.hpp"

#include <cstdint>
#include <limits>
#include <string>

#include "engine/sketch/load.hpp"
#include "engine/sketch/matrix_kernels.hpp"

namespace settle::codec {

namespace {

constexpr std::size_t kHead = 16;

engine::Error wrong(std::string_view what) {
  return engine::refused("not a Count-Min sketch of DataSketches: " + std::string{what});
}

/// False, and nothing done, if a cell must not get in.
bool add_cells(double* into, const char* from, std::size_t n, Settings::Element element) {
  switch (element) {
    case Settings::Element::i64:
      return sketch::add_i64_cells(into, from, n, sketch::CellSign::not_negative);
    case Settings::Element::f64:
      return sketch::add_f64_cells(into, from, n, sketch::CellSign::not_negative);
    case Settings::Element::u64:
      break;
  }
  sketch::add_u64_cells(into, from, n);
  return true;
}

}  // namespace

engine::Result<void> merge_datasketches_count_min(sketch::CountMin& into, std::string_view blob,
                                                  const Settings& settings) {
  if (blob.empty()) return {};
  if (blob.size() < kHead) return wrong("shorter than 16 bytes");
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(blob[i]); };
  if (byte(0) != 2 || byte(1) != 1 || byte(2) != 18)
    return wrong("preamble, version and family are not 2, 1 and 18");
  const sketch::MatrixShape shape{.rows = byte(12),
                                  .cols = sketch::load<std::uint32_t>(blob.data() + 8),
                                  .rule = sketch::MatrixShape::Rule::datasketches,
                                  .seed = settings.seed};
  if (auto fine = shape.check(); !fine) return fine;
  if (const auto said = sketch::load<std::uint16_t>(blob.data() + 13);
      said != sketch::datasketches_seed_hash(settings.seed)) {
    return wrong("its seed hashes to " + std::to_string(said) + ", that of the source (" +
                 std::to_string(settings.seed) + ") to " +
                 std::to_string(sketch::datasketches_seed_hash(settings.seed)));
  }
  if (auto fits = into.matrix().fits(shape); !fits) return fits;
  const bool empty = (byte(3) & 1) != 0;
  if (blob.size() != (empty ? kHead : kHead + 8 + 8 * shape.cells())) {
    return wrong(std::to_string(blob.size()) + " bytes do not hold its " + shape.text());
  }
  const bool fresh = !into.matrix().has_shape();
  into.matrix().take_shape(shape);
  if (empty) return {};
  if (!add_cells(into.matrix().cells().data(), blob.data() + kHead + 8, shape.cells(), settings.element)) {
    if (fresh) into.matrix() = {};
    return wrong("a cell is negative, or no number");
  }
  into.items().add_absent(std::numeric_limits<double>::infinity());
  return {};
}

}  // namespace settle::codec
