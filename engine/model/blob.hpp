// engine/model/blob.hpp: the encoded sketch of one cell: bytes that all who refer to them share.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "engine/model/value.hpp"

namespace settle::engine {

/// A cell frame (docs/formats/cell.md), which is canonical: sketches of equal content have equal bytes. Cheap
/// to copy; none by default.
class Blob {
 public:
  Blob() = default;
  explicit Blob(std::string bytes) : bytes_(std::make_shared<const std::string>(std::move(bytes))) {}

  [[nodiscard]] bool empty() const { return bytes_ == nullptr; }
  [[nodiscard]] std::string_view bytes() const {
    return bytes_ ? std::string_view{*bytes_} : std::string_view{};
  }
  /// Brings into the cache what bytes() looks at.
  void prefetch() const { __builtin_prefetch(bytes_.get()); }
  friend bool operator==(const Blob& a, const Blob& b) {
    return a.bytes_ == b.bytes_ || a.bytes() == b.bytes();
  }

 private:
  std::shared_ptr<const std::string> bytes_;
};

/// XXH3-64 of the bytes, as a count: what stands as the value of a cell that holds a sketch, so that the
/// stabilizer needs to know of numbers only.
[[nodiscard]] Value fingerprint(const Blob& blob);

}  // namespace settle::engine
