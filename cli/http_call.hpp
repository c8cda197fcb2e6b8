// cli/http_call.hpp: one blocking HTTP exchange, for the tools that talk to a daemon.
#pragma once

#include <chrono>
#include <string>

#include "engine/result.hpp"

namespace settle::cli {

struct CallAnswer {
  int status = 0;
  std::string body;
};

struct Call {
  std::string method = "GET";
  std::string url;   // of the server: http://127.0.0.1:9009
  std::string path;  // with query string, encoded
  std::string body;
  std::chrono::milliseconds timeout{10'000};
};

/// The error says that there was no answer, from whom, and what to look at.
[[nodiscard]] engine::Result<CallAnswer> http_call(const Call& call);

}  // namespace settle::cli
