#include "net/http_client.hpp"

#include <cassert>
#include <map>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <curl/curl.h>
#include <unistd.h>

#include "net/http_transfer.hpp"

namespace settle::net {
namespace asio = boost::asio;
namespace {

constexpr long kConnectionsKept = 64;

using Error = boost::system::error_code;

void init_curl_once() {
  static const CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
  assert(code == CURLE_OK);
}

}  // namespace

/// Tells libcurl when a socket is ready or its timer is due, and finishes what libcurl reports as done.
struct HttpClient::Impl : std::enable_shared_from_this<HttpClient::Impl> {
  /// A duplicate of libcurl's descriptor: libcurl may close its own at any time, and Asio's stays valid.
  struct Socket {
    Socket(const asio::any_io_executor& on, curl_socket_t curl_fd) : fd(curl_fd), ready(on) {}
    curl_socket_t fd;
    asio::posix::stream_descriptor ready;
    bool read_wanted = false;
    bool write_wanted = false;
    bool read_waiting = false;
    bool write_waiting = false;
  };

  explicit Impl(asio::any_io_executor on);
  ~Impl();
  void start(const std::shared_ptr<Transfer>& transfer);
  void abort(const std::shared_ptr<Transfer>& transfer, std::string detail);
  void stop();

  static int on_socket(CURL*, curl_socket_t fd, int what, void* self, void*);
  static int on_timer(CURLM*, long timeout_ms, void* self);
  void watch(const std::shared_ptr<Socket>& socket);
  void act(curl_socket_t fd, int events);
  void collect();

  asio::any_io_executor executor;
  asio::steady_timer timer;
  CURLM* multi = nullptr;
  bool stopped = false;
  std::map<curl_socket_t, std::shared_ptr<Socket>> sockets;
  std::map<CURL*, std::shared_ptr<Transfer>> transfers;
};

HttpClient::Impl::Impl(asio::any_io_executor on) : executor(std::move(on)), timer(executor) {
  init_curl_once();
  multi = curl_multi_init();
  assert(multi != nullptr);
  curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, &Impl::on_socket);
  curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, static_cast<void*>(this));
  curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, &Impl::on_timer);
  curl_multi_setopt(multi, CURLMOPT_TIMERDATA, static_cast<void*>(this));
  curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, kConnectionsKept);
}

HttpClient::Impl::~Impl() {
  stop();
  curl_multi_cleanup(multi);
}

void HttpClient::Impl::start(const std::shared_ptr<Transfer>& transfer) {
  if (stopped) {
    transfer->finish(TransportError::stopped, "the client was stopped");
    return;
  }
  if (std::string wrong = transfer->prepare(); !wrong.empty()) {
    transfer->finish(TransportError::unreachable, std::move(wrong));
    return;
  }
  transfers.emplace(transfer->easy(), transfer);
  if (const CURLMcode code = curl_multi_add_handle(multi, transfer->easy()); code != CURLM_OK) {
    transfers.erase(transfer->easy());
    transfer->finish(TransportError::unreachable, curl_multi_strerror(code));
  }
}

void HttpClient::Impl::abort(const std::shared_ptr<Transfer>& transfer, std::string detail) {
  if (transfers.erase(transfer->easy()) > 0) curl_multi_remove_handle(multi, transfer->easy());
  transfer->finish(TransportError::stopped, std::move(detail));
}

void HttpClient::Impl::stop() {
  stopped = true;
  while (!transfers.empty()) {
    const std::shared_ptr<Transfer> transfer = transfers.begin()->second;
    abort(transfer, "the client was stopped");
  }
}

int HttpClient::Impl::on_socket(CURL*, curl_socket_t fd, int what, void* self, void*) {
  auto& impl = *static_cast<Impl*>(self);
  if (what == CURL_POLL_REMOVE) {
    if (auto gone = impl.sockets.extract(fd); !gone.empty()) {
      gone.mapped()->read_wanted = gone.mapped()->write_wanted = false;
      Error ignored;
      gone.mapped()->ready.close(ignored);
    }
    return 0;
  }
  auto& socket = impl.sockets[fd];
  if (!socket) {
    const int duplicate = ::dup(fd);
    if (duplicate < 0) {
      impl.sockets.erase(fd);
      return -1;
    }
    socket = std::make_shared<Socket>(impl.executor, fd);
    socket->ready.assign(duplicate);
  }
  socket->read_wanted = (what & CURL_POLL_IN) != 0;
  socket->write_wanted = (what & CURL_POLL_OUT) != 0;
  impl.watch(socket);
  return 0;
}

void HttpClient::Impl::watch(const std::shared_ptr<Socket>& socket) {
  using Wait = asio::posix::stream_descriptor::wait_type;
  if (socket->read_wanted && !socket->read_waiting) {
    socket->read_waiting = true;
    socket->ready.async_wait(Wait::wait_read, [weak = weak_from_this(), socket](Error error) {
      socket->read_waiting = false;
      const auto impl = weak.lock();
      if (!impl || error || !socket->read_wanted) return;
      impl->act(socket->fd, CURL_CSELECT_IN);
      if (socket->ready.is_open()) impl->watch(socket);
    });
  }
  if (socket->write_wanted && !socket->write_waiting) {
    socket->write_waiting = true;
    socket->ready.async_wait(Wait::wait_write, [weak = weak_from_this(), socket](Error error) {
      socket->write_waiting = false;
      const auto impl = weak.lock();
      if (!impl || error || !socket->write_wanted) return;
      impl->act(socket->fd, CURL_CSELECT_OUT);
      if (socket->ready.is_open()) impl->watch(socket);
    });
  }
}

int HttpClient::Impl::on_timer(CURLM*, long timeout_ms, void* self) {
  auto& impl = *static_cast<Impl*>(self);
  if (timeout_ms < 0) {
    impl.timer.cancel();
    return 0;
  }
  impl.timer.expires_after(std::chrono::milliseconds{timeout_ms});
  impl.timer.async_wait([weak = impl.weak_from_this()](Error error) {
    const auto locked = weak.lock();
    if (locked && !error) locked->act(CURL_SOCKET_TIMEOUT, 0);
  });
  return 0;
}

void HttpClient::Impl::act(curl_socket_t fd, int events) {
  int running = 0;
  curl_multi_socket_action(multi, fd, events, &running);
  collect();
}

void HttpClient::Impl::collect() {
  int waiting = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi, &waiting)) {
    if (message->msg != CURLMSG_DONE) continue;
    const CURLcode code = message->data.result;  // the message dies with the handle's removal
    const auto found = transfers.find(message->easy_handle);
    assert(found != transfers.end());
    const std::shared_ptr<Transfer> transfer = found->second;
    transfers.erase(found);
    transfer->finish(code);
    curl_multi_remove_handle(multi, transfer->easy());
  }
}

HttpClient::HttpClient(asio::any_io_executor executor) : impl_(std::make_shared<Impl>(std::move(executor))) {}
HttpClient::~HttpClient() {
  stop();
}
void HttpClient::stop() {
  impl_->stop();
}

asio::awaitable<ClientResult> HttpClient::send(ClientRequest request) {
  const std::shared_ptr<Impl> impl = impl_;
  const auto transfer = std::make_shared<Transfer>(impl->executor, std::move(request));
  impl->start(transfer);
  if (!transfer->finished()) {
    (void)co_await transfer->wake().async_wait(asio::as_tuple(asio::use_awaitable));
    if (!transfer->finished()) impl->abort(transfer, "the request was cancelled");
  }
  co_return transfer->take_result();
}

}  // namespace settle::net
