// Bodies of cell frames. The first byte is the kind; the frame around the rest, with its checksum, is made
// here: a fuzzer would not find one.

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "engine/codec/cell/frame.hpp"

namespace {

using namespace settle;

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string frame = codec::frame_of(data[0], {reinterpret_cast<const char*>(data) + 1, size - 1});
  sketch::Accumulator once;
  if (!codec::merge_cell(once, frame)) {
    require(once.index() == 0);
    return 0;
  }
  // What was let in is written so that it is read as the same.
  const std::string written = codec::encode_cell(once);
  sketch::Accumulator again;
  require(codec::merge_cell(again, written).has_value());
  require(codec::encode_cell(again) == written);
  require(canonical_hash(again) == canonical_hash(once));
  // Statistics overlap themselves; some sums are too large; what is refused changes nothing.
  if (!codec::merge_cell(again, frame)) require(codec::encode_cell(again) == written);
  if (const auto* hll = std::get_if<sketch::Hll>(&again)) {
    const auto answer = hll->answer();
    require(std::isfinite(answer.high) && answer.low <= answer.estimate && answer.estimate <= answer.high);
  }
  return 0;
}
