// net/http_transfer.hpp: one exchange as a libcurl easy handle: what is asked, what came back, how it ended.
#pragma once

#include <memory>
#include <string>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "net/http_client.hpp"

using CURL = void;
struct curl_slist;

namespace settle::net {

class Transfer {
 public:
  Transfer(const boost::asio::any_io_executor& executor, ClientRequest request);

  /// Fills the handle from the request and reads the secret files. Returns "" or why nothing can be sent.
  [[nodiscard]] std::string prepare();
  /// Ends the transfer with libcurl's code and wakes the waiting coroutine.
  void finish(int curl_code);
  void finish(TransportError error, std::string detail);

  [[nodiscard]] CURL* easy() const { return easy_.get(); }
  [[nodiscard]] bool finished() const { return finished_; }
  /// Cancelled when the transfer has ended.
  [[nodiscard]] boost::asio::steady_timer& wake() { return wake_; }
  [[nodiscard]] ClientResult take_result() { return std::move(result_); }

 private:
  struct FreeEasy {
    void operator()(CURL* easy) const;
  };
  struct FreeList {
    void operator()(curl_slist* list) const;
  };
  static std::size_t on_body(char* data, std::size_t size, std::size_t count, void* self);
  static std::size_t on_header(char* data, std::size_t size, std::size_t count, void* self);
  static int on_connected(void* self, char*, char*, int, int);
  [[nodiscard]] std::string add_header(const Header& header);
  [[nodiscard]] std::string add_auth();
  void set_method();
  void set_limits();
  [[nodiscard]] std::string where() const;

  ClientRequest request_;
  ClientResult result_;
  std::string url_;
  std::unique_ptr<CURL, FreeEasy> easy_;
  std::unique_ptr<curl_slist, FreeList> headers_;
  std::unique_ptr<char[]> error_text_;
  std::size_t header_bytes_ = 0;
  unsigned connections_ = 0;  // on which the request was begun
  bool head_whole_ = false;
  bool too_large_ = false;
  bool finished_ = false;
  boost::asio::steady_timer wake_;
};

}  // namespace settle::net
