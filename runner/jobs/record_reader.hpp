// runner/jobs/record_reader.hpp: reads members of JSON that we wrote. Part of job_record.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <boost/json/fwd.hpp>

#include "engine/model/time.hpp"
#include "engine/result.hpp"

namespace settle::runner {

/// What does not fit is a corrupt record, said once at the end.
class RecordReader {
 public:
  explicit RecordReader(const boost::json::object& object) : object_(object) {}  // outlives this

  [[nodiscard]] bool has(const char* name) const;
  std::string text(const char* name);
  /// std::int64_t, std::uint64_t or std::uint32_t.
  template <class Number>
  Number number(const char* name);
  engine::Duration duration(const char* name) { return engine::Duration{number<std::int64_t>(name)}; }
  engine::Time time(const char* name) { return engine::from_epoch_ms(number<std::int64_t>(name)); }
  std::optional<engine::Time> optional_time(const char* name) {
    if (!has(name)) return std::nullopt;
    return time(name);
  }
  /// False when it is not there: records need not have it.
  bool flag(const char* name);
  /// An enumeration with the values 0 to `last`.
  template <class Enum>
  Enum enumeration(const char* name, Enum last) {
    const auto read = number<std::uint64_t>(name);
    if (read > static_cast<std::uint64_t>(last)) return wrong(name), Enum{};
    return static_cast<Enum>(read);
  }
  const boost::json::object& object(const char* name);
  const boost::json::array& array(const char* name);
  std::vector<std::string> texts(const char* name);

  void wrong(const std::string& name) {
    if (wrong_.empty()) wrong_ = name;
  }
  /// "" : every member was there and readable.
  [[nodiscard]] const std::string& first_wrong() const { return wrong_; }

 private:
  const boost::json::object& object_;
  std::string wrong_;
};

[[nodiscard]] engine::Error corrupt_member(const char* what, const std::string& member);

}  // namespace settle::runner
