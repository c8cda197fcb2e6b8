#include "net/http_transfer.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <limits>
#include <utility>

#include <curl/curl.h>

#include "net/http_text.hpp"

namespace settle::net {
namespace {

constexpr std::size_t kHeaderBytesMax = 256u << 10;  // of a response; servers send a few hundred
constexpr std::size_t kSecretBytesMax = 64u << 10;

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

/// A secret is the file's text without the white space at its end (editors add a line break).
std::optional<std::string> read_secret(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return std::nullopt;
  std::string text(kSecretBytesMax + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad()) return std::nullopt;
  text.resize(static_cast<std::size_t>(in.gcount()));
  text.erase(text.find_last_not_of(" \t\r\n") + 1);
  if (text.empty() || text.size() > kSecretBytesMax || has_control(text)) return std::nullopt;
  return text;
}

std::string secret_refused(const std::string& file) {
  return "the secret file " + file + " cannot be read, is empty, or holds more than one line";
}

}  // namespace

void Transfer::FreeEasy::operator()(CURL* easy) const {
  curl_easy_cleanup(easy);
}
void Transfer::FreeList::operator()(curl_slist* list) const {
  curl_slist_free_all(list);
}

Transfer::Transfer(const boost::asio::any_io_executor& executor, ClientRequest request)
    : request_(std::move(request)),
      error_text_(std::make_unique<char[]>(CURL_ERROR_SIZE)),
      wake_(executor, boost::asio::steady_timer::time_point::max()) {}

std::size_t Transfer::on_body(char* data, std::size_t size, std::size_t count, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  const std::size_t bytes = size * count;
  // Called with inflated data, piece by piece: a small answer that inflates without end stops here.
  if (transfer.request_.response_bytes_max - transfer.result_.body.size() < bytes) {
    transfer.too_large_ = true;
    return 0;
  }
  transfer.result_.body.append(data, bytes);
  return bytes;
}

std::size_t Transfer::on_header(char* data, std::size_t size, std::size_t count, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  const std::size_t bytes = size * count;
  transfer.header_bytes_ += bytes;
  if (transfer.header_bytes_ > kHeaderBytesMax) {
    transfer.too_large_ = true;
    return 0;
  }
  std::string_view line(data, bytes);
  if (line.substr(0, 5) == "HTTP/") {  // comes again after a 100
    transfer.result_.headers.clear();
    transfer.head_whole_ = false;
  }
  if (line == "\r\n" || line == "\n") transfer.head_whole_ = true;
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return bytes;
  Header header{.name = to_lower(line.substr(0, colon)), .value = {}};
  line.remove_prefix(colon + 1);
  const std::size_t first = line.find_first_not_of(" \t\r\n");
  const std::size_t last = line.find_last_not_of(" \t\r\n");
  if (first != std::string_view::npos) header.value = std::string(line.substr(first, last - first + 1));
  transfer.result_.headers.push_back(std::move(header));
  return bytes;
}

// libcurl repeats a request by itself when a kept connection dies before the first byte of the answer. A POST
// may have been applied by then, so its second attempt is the caller's decision.
int Transfer::on_connected(void* self, char*, char*, int, int) {
  auto& transfer = *static_cast<Transfer*>(self);
  ++transfer.connections_;
  const bool repeatable = transfer.request_.method == "GET" || transfer.request_.method == "HEAD";
  return transfer.connections_ == 1 || repeatable ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

std::string Transfer::prepare() {
  easy_.reset(curl_easy_init());
  if (!easy_) return "no memory for a request";
  url_ = request_.endpoint.url + request_.path;
  if (has_control(url_)) return "the address holds a line break";
  for (const auto* headers : {&request_.endpoint.headers, &request_.headers}) {
    for (const Header& header : *headers) {
      if (auto wrong = add_header(header); !wrong.empty()) return wrong;
    }
  }
  // Without this, bodies above 1 MiB wait a second for a `100 Continue` that most servers never send.
  if (auto wrong = add_header({.name = "Expect", .value = ""}); !wrong.empty()) return wrong;
  if (auto wrong = add_auth(); !wrong.empty()) return wrong;
  curl_easy_setopt(easy(), CURLOPT_URL, url_.c_str());
  curl_easy_setopt(easy(), CURLOPT_HTTPHEADER, headers_.get());
  curl_easy_setopt(easy(), CURLOPT_ERRORBUFFER, error_text_.get());
  curl_easy_setopt(easy(), CURLOPT_PRIVATE, static_cast<void*>(this));
  curl_easy_setopt(easy(), CURLOPT_WRITEFUNCTION, &Transfer::on_body);
  curl_easy_setopt(easy(), CURLOPT_WRITEDATA, static_cast<void*>(this));
  curl_easy_setopt(easy(), CURLOPT_HEADERFUNCTION, &Transfer::on_header);
  curl_easy_setopt(easy(), CURLOPT_HEADERDATA, static_cast<void*>(this));
  curl_easy_setopt(easy(), CURLOPT_PREREQFUNCTION, &Transfer::on_connected);
  curl_easy_setopt(easy(), CURLOPT_PREREQDATA, static_cast<void*>(this));
  set_method();
  set_limits();
  return "";
}

std::string Transfer::add_header(const Header& header) {
  if (header.name.empty() || has_control(header.name) || has_control(header.value)) {
    return "a header has an empty name or holds a line break";
  }
  // To libcurl `Name:` means "do not send", `Name;` an empty value. `Expect` is the one that must not be
  // sent.
  std::string line = header.name + ": " + header.value;
  if (header.value.empty()) line = header.name + (header.name == "Expect" ? ":" : ";");
  curl_slist* longer = curl_slist_append(headers_.get(), line.c_str());
  if (longer == nullptr) return "no memory for a header";
  (void)headers_.release();
  headers_.reset(longer);
  return "";
}

std::string Transfer::add_auth() {
  const Auth& auth = request_.endpoint.auth;
  if (!auth.bearer_token_file.empty()) {
    auto token = read_secret(auth.bearer_token_file);
    if (!token) return secret_refused(auth.bearer_token_file);
    return add_header({.name = "Authorization", .value = "Bearer " + *token});
  }
  if (auth.username.empty()) return "";
  auto password = read_secret(auth.password_file);
  if (!password) return secret_refused(auth.password_file);
  curl_easy_setopt(easy(), CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_BASIC));
  curl_easy_setopt(easy(), CURLOPT_USERNAME, auth.username.c_str());
  curl_easy_setopt(easy(), CURLOPT_PASSWORD, password->c_str());
  return "";
}

void Transfer::set_method() {
  const std::string& method = request_.method;
  if (method == "GET" && request_.body.empty()) {
    curl_easy_setopt(easy(), CURLOPT_HTTPGET, 1L);
    return;
  }
  if (method == "HEAD") {
    curl_easy_setopt(easy(), CURLOPT_NOBODY, 1L);
    return;
  }
  curl_easy_setopt(easy(), CURLOPT_CUSTOMREQUEST, method.c_str());
  if (method != "POST" && method != "PUT" && request_.body.empty()) return;
  curl_easy_setopt(easy(), CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
  curl_easy_setopt(easy(), CURLOPT_POSTFIELDS, request_.body.c_str());
}

void Transfer::set_limits() {
  curl_easy_setopt(easy(), CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy(), CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy(), CURLOPT_PROXY, "");  // no proxy from the environment: only configured hosts
  curl_easy_setopt(easy(), CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(easy(), CURLOPT_PATH_AS_IS, 1L);
  if (request_.compressed) curl_easy_setopt(easy(), CURLOPT_ACCEPT_ENCODING, "gzip, deflate");
  curl_easy_setopt(easy(), CURLOPT_NOSIGNAL, 1L);
  const auto ms = std::clamp<std::int64_t>(request_.timeout.count(), 1, std::numeric_limits<int>::max());
  curl_easy_setopt(easy(), CURLOPT_TIMEOUT_MS, static_cast<long>(ms));
  curl_easy_setopt(easy(), CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(ms));
  if (!request_.endpoint.ca_file.empty()) {
    curl_easy_setopt(easy(), CURLOPT_CAINFO, request_.endpoint.ca_file.c_str());
  }
}

/// Without query string (it may be long) and without user:password.
std::string Transfer::where() const {
  std::string url = url_.substr(0, url_.find_first_of("?#"));
  const std::size_t host = url.find("://");
  const std::size_t at = url.find('@');
  if (host != std::string::npos && at != std::string::npos && at < url.find('/', host + 3)) {
    url.erase(host + 3, at - host - 2);
  }
  return request_.method + " " + url;
}

void Transfer::finish(int curl_code) {
  long status = 0;
  curl_easy_getinfo(easy(), CURLINFO_RESPONSE_CODE, &status);
  // A head that breaks off is an answer to libcurl, though its status may have been the only line that came.
  if (curl_code == CURLE_OK && !head_whole_) curl_code = CURLE_GOT_NOTHING;
  if (curl_code == CURLE_OK) {
    result_.status = static_cast<int>(status);
    finish(TransportError::none, "");
    return;
  }
  const bool begun = connections_ > 0;
  const std::string limit = std::to_string(request_.timeout.count()) + " ms";
  if (too_large_) {
    finish(TransportError::too_large,
           "the answer is larger than " + std::to_string(request_.response_bytes_max) + " bytes");
  } else if (curl_code == CURLE_OPERATION_TIMEDOUT && begun) {
    finish(TransportError::timed_out, "no whole answer within " + limit);
  } else if (curl_code == CURLE_OPERATION_TIMEDOUT) {
    finish(TransportError::unreachable, "no connection within " + limit);
  } else {
    const std::string text =
        error_text_[0] == '\0' ? curl_easy_strerror(static_cast<CURLcode>(curl_code)) : error_text_.get();
    finish(begun ? TransportError::cut : TransportError::unreachable, text);
  }
}

void Transfer::finish(TransportError error, std::string detail) {
  if (finished_) return;
  finished_ = true;
  result_.error = error;
  if (error != TransportError::none) {
    result_.detail = where() + ": " + std::move(detail);
    result_.status = 0;
    result_.headers.clear();
    result_.body.clear();
  }
  wake_.cancel();
}

}  // namespace settle::net
