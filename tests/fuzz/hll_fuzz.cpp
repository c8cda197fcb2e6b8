// Blobs of distinct counts. The first byte chooses the format: d DataSketches, r Redis, p PostgreSQL, s a
// state of ASAP, t a delta of ASAP, of precision 12.

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "engine/codec/asap_hll.hpp"
#include "engine/codec/datasketches_hll.hpp"
#include "engine/codec/postgresql_hll.hpp"
#include "engine/codec/redis_hll.hpp"

namespace {

using namespace settle;
using sketch::Hll;

engine::Result<void> merge(char format, Hll& into, std::string_view blob) {
  switch (format) {
    case 'd':
      return codec::merge_datasketches_hll(into, blob);
    case 'r':
      return codec::merge_redis_hll(into, blob);
    case 'p':
      return codec::merge_postgresql_hll(into, blob);
    case 's':
      return codec::merge_asap_hll_state(into, blob);
    default:
      return codec::merge_asap_hll_delta(into, blob, 12);
  }
}

void require(bool holds) {
  if (!holds) std::abort();
}

/// What was let in answers, folds, and is read again as it was written.
void check(const Hll& hll) {
  const auto answer = hll.answer();
  require(std::isfinite(answer.high) && answer.low <= answer.estimate && answer.estimate <= answer.high);
  if (!hll.has_kind()) return;
  Hll small = Hll::of(hll.kind(), sketch::kHllPrecisionMin);
  require(small.merge(hll).has_value());
  require(small.registers().size() >= 16);
  if (const auto written = codec::encode_datasketches_hll(hll)) {
    Hll again;
    require(codec::merge_datasketches_hll(again, *written).has_value());
    require(canonical_hash(again) == canonical_hash(hll));
  }
  if (const auto written = codec::encode_asap_hll_state(hll)) {
    Hll again;
    require(codec::merge_asap_hll_state(again, *written, hll.kind().sample_p).has_value());
    require(again.registers() == hll.registers());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto format = static_cast<char>(data[0]);
  const std::string_view blob{reinterpret_cast<const char*>(data) + 1, size - 1};
  Hll hll;
  if (!merge(format, hll, blob)) {
    require(!hll.has_kind());
    return 0;
  }
  check(hll);
  const auto registers = hll.registers();
  require(merge(format, hll, blob).has_value());
  require(hll.registers() == registers);
  return 0;
}
