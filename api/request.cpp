#include "api/request.hpp"

#include <algorithm>
#include <charconv>
#include <system_error>

namespace settle::api {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return out;
}

std::string without_suffix(std::string text, std::string_view suffix) {
  if (text.ends_with(suffix)) text.resize(text.size() - suffix.size());
  return text;
}

}  // namespace

runner::Refusal bad_parameter(std::string_view name, std::string detail) {
  return {.kind = runner::Refusal::Kind::invalid,
          .field = std::string(name),
          .detail = std::move(detail),
          .job_id = {}};
}

std::optional<std::string> query_parameter(const net::ServerRequest& request, std::string_view name) {
  for (const auto& [given, value] : request.query) {
    if (given == name) return value;
  }
  return std::nullopt;
}

std::optional<runner::Refusal> check_parameters(const net::ServerRequest& request,
                                                std::span<const std::string_view> known) {
  for (auto given = request.query.begin(); given != request.query.end(); ++given) {
    const std::string& name = given->first;
    const auto same = [&name](const auto& other) { return other.first == name; };
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      std::string all;
      for (const std::string_view one : known) all += (all.empty() ? "" : ", ") + std::string(one);
      return bad_parameter(name, "is not a parameter of " + request.path + "; it has " +
                                     (all.empty() ? "none in its query string" : all));
    }
    if (std::any_of(request.query.begin(), given, same)) return bad_parameter(name, "is given twice");
  }
  return std::nullopt;
}

runner::Outcome<std::size_t> page_limit(const net::ServerRequest& request) {
  const auto text = query_parameter(request, "limit");
  if (!text) return kPageDefault;
  std::size_t limit = 0;
  const auto read = std::from_chars(text->data(), text->data() + text->size(), limit);
  const bool whole = read.ec == std::errc{} && read.ptr == text->data() + text->size();
  if (whole && limit >= 1 && limit <= kPageMax) return limit;
  return bad_parameter("limit",
                       "\"" + *text + "\" is not a limit; expected 1 to " + std::to_string(kPageMax));
}

runner::Outcome<std::size_t> page_offset(const net::ServerRequest& request) {
  const auto text = query_parameter(request, "after");
  if (!text) return std::size_t{0};
  std::size_t offset = 0;
  const auto read = std::from_chars(text->data(), text->data() + text->size(), offset);
  if (read.ec == std::errc{} && read.ptr == text->data() + text->size()) return offset;
  return bad_parameter("after", "\"" + *text + "\" is not the \"next\" of a list");
}

runner::Outcome<bool> query_flag(const net::ServerRequest& request, std::string_view name) {
  const auto text = query_parameter(request, name);
  if (!text || *text == "false") return false;
  if (*text == "true") return true;
  return bad_parameter(name, "\"" + *text + "\" is not known; expected true or false");
}

bool is_foreign_origin(const net::ServerRequest& request) {
  const auto given = std::find_if(request.headers.begin(), request.headers.end(),
                                  [](const net::Header& header) { return header.name == "origin"; });
  if (given == request.headers.end()) return false;
  const std::string origin = lower(given->value);
  const std::string host = lower(net::header_value(request.headers, "host"));
  for (const auto& [scheme, port] : {std::pair{"http://", ":80"}, std::pair{"https://", ":443"}}) {
    if (!origin.starts_with(scheme)) continue;
    const std::string asked = origin.substr(std::string_view(scheme).size());
    return without_suffix(asked, port) != without_suffix(host, port);
  }
  return true;  // "null", or the scheme of something that is not a page of ours
}

}  // namespace settle::api
