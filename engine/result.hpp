// engine/result.hpp: an expected failure is a value. Names follow std::expected, which this compiler lacks.
#pragma once

#include <cassert>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>

namespace settle::engine {

/// What the caller can do next, not what went wrong; the cause is in `detail`.
enum class ErrorKind : std::uint8_t {
  retry_later,  // nothing is wrong with the request: the same call may succeed
  refused,      // the input is at fault: repeating it is pointless
  corrupt,      // bytes we wrote or trusted do not decode: stop and tell an operator
};

struct Error {
  ErrorKind kind = ErrorKind::refused;
  std::string detail;  // for the operator: what, where, what to do; code never parses it
};

[[nodiscard]] inline Error refused(std::string detail) {
  return {ErrorKind::refused, std::move(detail)};
}
[[nodiscard]] inline Error corrupt(std::string detail) {
  return {ErrorKind::corrupt, std::move(detail)};
}
[[nodiscard]] inline Error retry_later(std::string detail) {
  return {ErrorKind::retry_later, std::move(detail)};
}

template <class T>
class [[nodiscard]] Result {
 public:
  Result() = default;  // T{}: what a spawned coroutine returns must be default-constructible
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  explicit operator bool() const noexcept { return state_.index() == 0; }
  [[nodiscard]] bool has_value() const noexcept { return state_.index() == 0; }
  T& operator*() & noexcept { return assert(has_value()), *std::get_if<0>(&state_); }
  const T& operator*() const& noexcept { return assert(has_value()), *std::get_if<0>(&state_); }
  T&& operator*() && noexcept { return assert(has_value()), std::move(*std::get_if<0>(&state_)); }
  T* operator->() noexcept { return &**this; }
  const T* operator->() const noexcept { return &**this; }
  [[nodiscard]] const Error& error() const noexcept {
    assert(!has_value());
    return *std::get_if<1>(&state_);
  }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : failed_(true), error_(std::move(error)) {}

  explicit operator bool() const noexcept { return !failed_; }
  [[nodiscard]] bool has_value() const noexcept { return !failed_; }
  [[nodiscard]] const Error& error() const noexcept { return assert(failed_), error_; }

 private:
  bool failed_ = false;
  Error error_;
};

}  // namespace settle::engine
