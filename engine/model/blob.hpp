// engine/model/blob.hpp: the encoded sketch of one cell: bytes that all who refer to them share.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string_view>
#include <utility>

#include "engine/model/value.hpp"

namespace settle::engine {

/// A cell frame (docs/formats/cell.md), which is canonical: sketches of equal content have equal bytes. Cheap
/// to copy; none by default.
class Blob {
 public:
  Blob() = default;
  explicit Blob(std::string_view bytes) : size_(bytes.size()) {
    auto copy = std::make_shared_for_overwrite<char[]>(bytes.size());  // NOLINT(*-avoid-c-arrays)
    std::copy(bytes.begin(), bytes.end(), copy.get());
    bytes_ = std::move(copy);
  }

  [[nodiscard]] bool empty() const { return bytes_ == nullptr; }
  /// Found without a look at what is shared, so that they can be fetched ahead.
  [[nodiscard]] std::string_view bytes() const { return {bytes_.get(), bytes_ ? size_ : 0}; }
  friend bool operator==(const Blob& a, const Blob& b) {
    return a.bytes_ == b.bytes_ || a.bytes() == b.bytes();
  }

 private:
  std::shared_ptr<const char[]> bytes_;  // NOLINT(*-avoid-c-arrays)
  std::size_t size_ = 0;                 // also after it was moved from
};

/// XXH3-64 of the bytes, as a count: what stands as the value of a cell that holds a sketch, so that the
/// stabilizer needs to know of numbers only.
[[nodiscard]] Value fingerprint(const Blob& blob);

}  // namespace settle::engine
