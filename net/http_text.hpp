// net/http_text.hpp: the small text forms of HTTP that client and server share. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace settle::net {

/// None when a `%` is not followed by two hexadecimal digits or a NUL byte comes out.
[[nodiscard]] std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space);

struct Target {
  std::string path;  // decoded
  std::vector<std::pair<std::string, std::string>>
      query;  // decoded, in order; a name without `=` has value ""
};
/// Reads a request target in origin form, `/path?a=b`. None when it is another form or badly encoded.
[[nodiscard]] std::optional<Target> parse_target(std::string_view text);

struct HostPort {
  std::string host;  // an IPv4 or IPv6 address, without brackets
  unsigned short port = 0;
};
/// `127.0.0.1:8428` or `[::1]:8428`; whether the host is an address is the caller's to find out.
[[nodiscard]] std::optional<HostPort> parse_host_port(std::string_view text);

[[nodiscard]] std::string to_lower(std::string_view text);

}  // namespace settle::net
