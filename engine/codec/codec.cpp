#include "engine/codec/codec.hpp"

#include "engine/codec/asap_envelope.hpp"
#include "engine/codec/asap_v1.hpp"
#include "engine/codec/asapquery.hpp"
#include "engine/codec/cell/frame.hpp"
#include "engine/codec/datasketches_count_min.hpp"
#include "engine/codec/datasketches_frequent_items.hpp"
#include "engine/codec/datasketches_hll.hpp"
#include "engine/codec/ddsketch_binary.hpp"
#include "engine/codec/ddsketch_proto.hpp"
#include "engine/codec/otlp_exphistogram.hpp"
#include "engine/codec/postgresql_hll.hpp"
#include "engine/codec/redis_hll.hpp"
#include "engine/codec/stats.hpp"

namespace settle::codec {

namespace {

template <class Family>
using MergeOne = engine::Result<void> (*)(Family&, std::string_view, const Settings&);

template <class Family>
engine::Result<void> merge_as(MergeOne<Family> merge_one, sketch::Accumulator& into, std::string_view blob,
                              const Settings& settings) {
  return sketch::merge_family<Family>(into, [&](Family& held) { return merge_one(held, blob, settings); });
}

}  // namespace

engine::Result<void> merge(sketch::Accumulator& into, std::string_view blob, const Settings& settings) {
  if (blob.empty()) return {};
  switch (settings.format) {
    case Format::ddsketch_proto:
      return merge_as(&merge_ddsketch_proto, into, blob, settings);
    case Format::ddsketch_binary:
      return merge_as(&merge_ddsketch_binary, into, blob, settings);
    case Format::asap_envelope:
      return merge_asap_envelope(into, blob, settings);
    case Format::asap_delta:
      return merge_asap_delta(into, blob, settings);
    case Format::asap_v1:
      return merge_asap_v1(into, blob, settings);
    case Format::datasketches_hll:
      return merge_as(&merge_datasketches_hll, into, blob, settings);
    case Format::datasketches_frequent_items:
      return merge_as(&merge_datasketches_frequent_items, into, blob, settings);
    case Format::datasketches_count_min:
      return merge_as(&merge_datasketches_count_min, into, blob, settings);
    case Format::otlp_exphistogram:
      return merge_as(&merge_otlp_exphistogram, into, blob, settings);
    case Format::redis_hll:
      return merge_as(&merge_redis_hll, into, blob, settings);
    case Format::postgresql_hll:
      return merge_as(&merge_postgresql_hll, into, blob, settings);
    case Format::asapquery:
      return merge_asapquery(into, blob, settings);
    case Format::stats:
      return merge_as(&merge_stats, into, blob, settings);
    case Format::cell:
      return merge_cell(into, blob);
  }
  return engine::refused("an encoding that is unknown");
}

}  // namespace settle::codec
