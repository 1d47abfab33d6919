// SPDX-License-Identifier: MIT
#include "net/tls.hpp"

#include <fcntl.h>
#include <openssl/err.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/fd.hpp"
#include "base/os_error.hpp"
#include "net/tls_state.hpp"
#include "trust/facts.hpp"

namespace repartir::net {
namespace {

FileStamp stamp_of(const std::string& path) {
    struct stat found{};
    if (path.empty() || ::stat(path.c_str(), &found) != 0) {
        return {};
    }
    return {{static_cast<std::int64_t>(found.st_dev), static_cast<std::int64_t>(found.st_ino),
             found.st_size, found.st_mtim.tv_sec, found.st_mtim.tv_nsec, found.st_ctim.tv_sec,
             found.st_ctim.tv_nsec}};
}

Error cannot_use(const std::string& path, std::string_view why) {
    return Error(Domain::trust, Code::permission_denied, Fault::user,
                 path + " " + std::string(why));
}

/// What one of a user's files is for.
struct Purpose {
    std::string_view option;  // that names it
    std::string_view maker;   // the command that makes it
    bool secret = false;      // it must be its owner's only
};
constexpr Purpose for_authority{"--tls-ca", "repartir pki init"};
constexpr Purpose for_certificate{"--tls-cert", "repartir pki issue"};
constexpr Purpose for_key{"--tls-key", "repartir pki issue", true};
constexpr Purpose for_revocations{"--tls-crl", "repartir pki init"};

Error cannot_read(const std::string& path, const Purpose& purpose, int os_error) {
    const std::string option(purpose.option);
    if (os_error == ENOENT) {
        return Error(Domain::trust, Code::not_found, Fault::user,
                     option + ": there is no file " + path + ": name the one that \"" +
                         std::string(purpose.maker) + "\" has made");
    }
    return base::os_error(Domain::trust, option + ": cannot read " + path, os_error);
}

/// Reads a whole file.
Result<std::string> read_file(const std::string& path, const Purpose& purpose) {
    const base::Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    struct stat found{};
    if (!file || ::fstat(file.get(), &found) != 0) {
        return fail(cannot_read(path, purpose, errno));
    }
    if (!S_ISREG(found.st_mode)) {
        return fail(cannot_use(path, "is no file; name one in PEM form"));
    }
    if (purpose.secret && (found.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        return fail(cannot_use(path,
                               "is a private key that others than its owner may use; run"
                               " chmod 600 on it"));
    }
    std::string text;
    std::array<char, 16384> piece{};
    while (text.size() <= trust::pem_bytes_max) {
        const ssize_t got = ::read(file.get(), piece.data(), piece.size());
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return fail(cannot_read(path, purpose, errno));
        }
        if (got == 0) {
            break;
        }
        text.append(piece.data(), static_cast<std::size_t>(got));
    }
    return text;
}

Result<std::shared_ptr<const trust::Anchors>> load_anchors(const TlsFiles& files) {
    const Result<std::string> authorities = read_file(files.ca, for_authority);
    if (!authorities) {
        return fail(authorities.error());
    }
    Result<std::string> lists;
    if (!files.crl.empty()) {
        lists = read_file(files.crl, for_revocations);
        if (lists && lists->empty()) {
            return fail(cannot_use(files.crl,
                                   "is empty; a list of nothing is what"
                                   " \"repartir pki init\" makes"));
        }
    }
    if (!lists) {
        return fail(lists.error());
    }
    Result<trust::Anchors> anchors =
        trust::Anchors::create(*authorities, files.ca, *lists, files.crl);
    if (!anchors) {
        return fail(anchors.error());
    }
    return std::make_shared<const trust::Anchors>(std::move(*anchors));
}

/// Gives a context its certificate, the ones on its way, and its key.
bool show(SSL_CTX* context, std::vector<trust::CertificateHandle>& certificates, EVP_PKEY* key) {
    bool good = SSL_CTX_use_certificate(context, certificates.front().get()) == 1;
    for (std::size_t i = 1; i < certificates.size(); ++i) {
        good = good && SSL_CTX_add1_chain_cert(context, certificates[i].get()) == 1;
    }
    return good && SSL_CTX_use_PrivateKey(context, key) == 1;
}

Result<OwnIdentity> load_own(const TlsFiles& files) {
    const Result<std::string> certificate_text = read_file(files.certificate, for_certificate);
    const Result<std::string> key_text = read_file(files.key, for_key);
    if (!certificate_text || !key_text) {
        return fail(certificate_text ? key_text.error() : certificate_text.error());
    }
    Result<std::vector<trust::CertificateHandle>> certificates =
        trust::read_certificates(*certificate_text, files.certificate);
    const Result<trust::KeyHandle> key = trust::read_key(*key_text, files.key);
    if (!certificates || !key) {
        return fail(certificates ? key.error() : certificates.error());
    }
    X509* certificate = certificates->front().get();
    if (X509_check_private_key(certificate, key->get()) != 1) {
        ERR_clear_error();
        return fail(Error(Domain::trust, Code::invalid_argument, Fault::user,
                          files.key + " is not the key of " + files.certificate +
                              "; name the two that were issued together"));
    }
    OwnIdentity own;
    own.context.reset(SSL_CTX_new(TLS_method()));
    if (own.context == nullptr || !configure(own.context.get()) ||
        !show(own.context.get(), *certificates, key->get())) {
        return fail(trust::openssl_error("cannot set up TLS with " + files.certificate));
    }
    const trust::CertificateFacts facts = trust::facts_of(certificate);
    own.name = facts.name;
    for (const trust::Role role : {trust::Role::client, trust::Role::worker, trust::Role::broker}) {
        if ((facts.roles & trust::bit_of(role)) != 0) {
            own.role = to_string(role);
        }
    }
    return own;
}

}  // namespace

std::shared_ptr<const trust::Anchors> TlsState::trusted() {
    const std::lock_guard lock(mutex);
    return anchors;
}

SslHandle TlsState::begin(TlsParties& parties) {
    const std::lock_guard lock(mutex);
    parties.own_name = own.name;
    parties.own_role = own.role;
    parties.authorities = files.ca;
    parties.revocations = files.crl;
    return SslHandle(SSL_new(own.context.get()));
}

SessionHandle TlsState::session_for(const std::string& peer) {
    const std::lock_guard lock(mutex);
    const auto found = sessions.find(peer);
    if (found == sessions.end() || SSL_SESSION_up_ref(found->second.get()) != 1) {
        return nullptr;
    }
    return SessionHandle(found->second.get());
}

void TlsState::remember(const std::string& peer, SessionHandle session) {
    const std::lock_guard lock(mutex);
    if (sessions.size() >= sessions_max && !sessions.contains(peer)) {
        sessions.erase(sessions.begin());
    }
    sessions[peer] = std::move(session);
}

void TlsState::forget(const std::string& peer) {
    const std::lock_guard lock(mutex);
    sessions.erase(peer);
}

TlsContext::TlsContext(std::shared_ptr<TlsState> state) : state_(std::move(state)) {}
TlsContext::~TlsContext() = default;

Result<std::unique_ptr<TlsContext>> TlsContext::create(TlsFiles files) {
    if (files.ca.empty() || files.certificate.empty() || files.key.empty()) {
        return fail(
            Error(Domain::config, Code::invalid_argument, Fault::user,
                  "TLS needs three files, and one is not named: the authority's"
                  " certificate, this end's own, and its key; \"repartir pki\" makes them"));
    }
    auto state = std::make_shared<TlsState>();
    state->files = std::move(files);
    state->socket = make_socket_method();
    if (state->socket == nullptr) {
        return fail(trust::openssl_error("cannot set up TLS"));
    }
    std::unique_ptr<TlsContext> context(new TlsContext(std::move(state)));
    Refreshed first = context->refresh();
    if (!first.problems.empty()) {
        return fail(std::move(first.problems.front()));
    }
    return context;
}

Result<std::unique_ptr<Stream>> TlsContext::accept(int fd, std::string address) {
    return make_tls_stream(state_, fd, TlsSide::accepting, std::move(address), {});
}

Result<std::unique_ptr<Stream>> TlsContext::connect(int fd, std::string address, std::string host) {
    return make_tls_stream(state_, fd, TlsSide::connecting, std::move(address), std::move(host));
}

Result<void> TlsContext::may_listen() const {
    const std::lock_guard lock(state_->mutex);
    const std::string& role = state_->own.role;
    if (role == to_string(trust::Role::worker) || role == to_string(trust::Role::broker)) {
        return {};
    }
    return fail(Error(Domain::trust, Code::invalid_argument, Fault::user,
                      state_->files.certificate + " is for " +
                          (role.empty() ? "no role" : "the role " + role) +
                          ", and who listens must be a worker or broker; make one with \"repartir"
                          " pki issue worker\""));
}

TlsHandshakes TlsContext::handshakes() const noexcept {
    return {state_->whole_handshakes.load(), state_->resumed_handshakes.load()};
}

Refreshed TlsContext::refresh() {
    Refreshed result;
    TlsState& state = *state_;
    const TlsFiles& files = state.files;
    const std::array own{stamp_of(files.certificate), stamp_of(files.key)};
    if (own != state.own_stamps || state.own.context == nullptr) {
        state.own_stamps = own;
        Result<OwnIdentity> loaded = load_own(files);
        if (loaded) {
            // Sessions were begun with the certificate of before.
            std::map<std::string, SessionHandle> over;
            const std::lock_guard lock(state.mutex);
            std::swap(state.own, *loaded);
            std::swap(state.sessions, over);
            result.changed = true;
        } else {
            result.problems.push_back(loaded.error());
        }
    }
    const std::array anchors{stamp_of(files.ca), stamp_of(files.crl)};
    if (anchors != state.anchors_stamps || state.anchors == nullptr) {
        state.anchors_stamps = anchors;
        Result<std::shared_ptr<const trust::Anchors>> loaded = load_anchors(files);
        if (loaded) {
            const std::lock_guard lock(state.mutex);
            std::swap(state.anchors, *loaded);
            result.changed = true;
        } else {
            result.problems.push_back(loaded.error());
        }
    }
    return result;
}

}  // namespace repartir::net
