// api/json_writer.hpp: writes JSON in the order of the calls; counts stay exact, and no library is needed for
// it.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "engine/model/series.hpp"
#include "engine/model/time.hpp"
#include "engine/model/value.hpp"

namespace settle::api {

/// Commas are set by the writer; that keys and values alternate is up to the caller.
class JsonWriter {
 public:
  JsonWriter& begin_object();
  JsonWriter& end_object();
  JsonWriter& begin_array();
  JsonWriter& end_array();
  JsonWriter& key(std::string_view name);

  JsonWriter& text(std::string_view value);
  JsonWriter& number(std::uint64_t value);
  /// A number; NaN, +Inf and -Inf, for which JSON has none, as texts.
  JsonWriter& value(const engine::Value& value);
  JsonWriter& boolean(bool value);
  JsonWriter& null();

  /// Members of an object.
  JsonWriter& member(std::string_view name, std::string_view value) { return key(name).text(value); }
  JsonWriter& member(std::string_view name, const char* value) { return key(name).text(value); }
  template <std::unsigned_integral Number>
  requires(!std::same_as<Number, bool>) JsonWriter& member(std::string_view name, Number value) {
    return key(name).number(value);
  }
  JsonWriter& member(std::string_view name, const engine::Value& of) { return key(name).value(of); }
  JsonWriter& flag(std::string_view name, bool of) { return key(name).boolean(of); }
  JsonWriter& member(std::string_view name, engine::Time at) {
    return key(name).text(engine::format_time(at));
  }
  JsonWriter& member(std::string_view name, const std::optional<engine::Time>& at);
  /// "" is null.
  JsonWriter& text_or_null(std::string_view name, std::string_view value);
  JsonWriter& member(std::string_view name, const engine::Labels& labels);

  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  void separate();
  std::string text_;
  bool first_ = true;  // nothing stands before in this object or array, or a key does
};

}  // namespace settle::api
