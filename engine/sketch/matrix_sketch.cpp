#include "engine/sketch/matrix_sketch.hpp"

namespace settle::sketch {

engine::Result<void> MatrixSketch::merge_state(const MatrixSketch& other) {
  if (!other.matrix_.has_shape()) return {};
  if (auto fits = matrix_.fits(other.matrix_.shape()); !fits) return fits;
  const KeyTable& keys = other.items_.keys();
  if (auto room = items_.room_for(keys.size(), keys.key_bytes()); !room) return room;
  matrix_.add(other.matrix_);
  items_.merge(other.items_);
  return {};
}

std::uint64_t canonical_hash(const MatrixSketch& sketch) {
  return sketch.matrix().canonical_hash() ^ sketch.items().canonical_hash();
}

}  // namespace settle::sketch
