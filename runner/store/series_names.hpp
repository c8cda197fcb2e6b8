// runner/store/series_names.hpp: the texts of series, kept for the ledger when the engine has forgotten them.
//
// A series that is retired, or whose stream is deleted, leaves Table::series, from which engines are loaded,
// for Table::retired_series: rows that wait for a sink, and the ledger, still name it.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "engine/model/time.hpp"
#include "engine/stabilizer/sample.hpp"
#include "runner/store/store.hpp"

namespace settle::runner {

/// Canonical text of a series, living or retired; the view ends with the transaction.
[[nodiscard]] std::optional<std::string_view> series_text_of(const ReadTransaction& read,
                                                             std::string_view tenant, std::string_view stream,
                                                             engine::SeriesNumber number);

void retire_series(const ReadTransaction& read, std::string_view tenant, std::string_view stream,
                   engine::SeriesNumber number, engine::Time wall_now, WriteBatch& batch);

using KnowsStream = std::function<bool(const std::string& tenant, const std::string& stream)>;
/// Retires the series of streams that are gone, at most `most` of them at a time.
void retire_orphans(const ReadTransaction& read, const KnowsStream& knows, engine::Time wall_now,
                    std::size_t most, WriteBatch& batch);
/// Deletes at most `most` of those retired before `before`.
void forget_retired(const ReadTransaction& read, engine::Time before, std::size_t most, WriteBatch& batch);

}  // namespace settle::runner
