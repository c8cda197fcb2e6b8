// runner/backfill/backfill_names.hpp: the numbers of series in the backfill lane's blocks.
//
// The lane names series under a stream id of its own, "<stream>#b", so that it never has to ask the engine
// for a number and never takes one of its. The number is a hash of the text; a text whose number is taken by
// another gets the next free one. The texts live in Table::retired_series with the time of their last use:
// no engine loads them, and retention forgets them when the ledger that names them is gone.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "engine/model/time.hpp"
#include "engine/stabilizer/sample.hpp"
#include "runner/store/store.hpp"

namespace settle::runner {

[[nodiscard]] std::string backfill_stream_id(std::string_view stream_id);

/// Numbers for `texts` (all different), written to the batch where they are new or were not used of late. No
/// two batches for one stream may be under way at the same time.
[[nodiscard]] std::vector<engine::SeriesNumber> number_series(const ReadTransaction& read,
                                                              std::string_view tenant,
                                                              std::string_view backfill_stream,
                                                              const std::vector<std::string>& texts,
                                                              engine::Time wall_now, WriteBatch& batch);

}  // namespace settle::runner
