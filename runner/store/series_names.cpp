#include "runner/store/series_names.hpp"

#include <algorithm>

#include "runner/store/keys.hpp"

namespace settle::runner {

namespace {

constexpr std::size_t kStampBytes = 8;

std::string stamp(engine::Time wall) {
  return key_u64(static_cast<std::uint64_t>(std::max<std::int64_t>(engine::epoch_ms(wall), 0)));
}

}  // namespace

std::optional<std::string_view> series_text_of(const ReadTransaction& read, std::string_view tenant,
                                               std::string_view stream, engine::SeriesNumber number) {
  const std::string key = series_key(tenant, stream, number);
  if (const auto text = read.get(Table::series, key)) {
    return text;
  }
  const auto retired = read.get(Table::retired_series, key);
  if (!retired || retired->size() < kStampBytes) {
    return std::nullopt;
  }
  return retired->substr(kStampBytes);
}

void retire_series(const ReadTransaction& read, std::string_view tenant, std::string_view stream,
                   engine::SeriesNumber number, engine::Time wall_now, WriteBatch& batch) {
  std::string key = series_key(tenant, stream, number);
  if (const auto text = read.get(Table::series, key)) {
    batch.put(Table::retired_series, key, stamp(wall_now) + std::string{*text});
  }
  batch.erase(Table::series, std::move(key));
}

void retire_orphans(const ReadTransaction& read, const KnowsStream& knows, engine::Time wall_now,
                    std::size_t most, WriteBatch& batch) {
  std::string from;
  for (bool more = true; more && most > 0;) {
    more = false;
    std::string known_prefix;
    read.scan(Table::series, from, "", [&](std::string_view key, std::string_view text) {
      const std::size_t tenant_end = key.find('\0');
      const std::size_t stream_end = tenant_end == key.npos ? key.npos : key.find('\0', tenant_end + 1);
      if (stream_end == key.npos) {
        return true;
      }
      const std::string tenant{key.substr(0, tenant_end)};
      const std::string stream{key.substr(tenant_end + 1, stream_end - tenant_end - 1)};
      if (knows(tenant, stream)) {
        known_prefix = key.substr(0, stream_end + 1);
        return false;
      }
      batch.put(Table::retired_series, std::string{key}, stamp(wall_now) + std::string{text});
      batch.erase(Table::series, std::string{key});
      return --most > 0;
    });
    if (!known_prefix.empty()) {
      from = prefix_end(known_prefix);
      more = !from.empty();
    }
  }
}

void forget_retired(const ReadTransaction& read, engine::Time before, std::size_t most, WriteBatch& batch) {
  const std::string limit = stamp(before);
  read.scan(Table::retired_series, "", "", [&](std::string_view key, std::string_view value) {
    if (value.substr(0, kStampBytes) < limit) {
      batch.erase(Table::retired_series, std::string{key});
      most -= 1;
    }
    return most > 0;
  });
}

}  // namespace settle::runner
