// SPDX-License-Identifier: MIT
// Any text is read as certificates, revocation lists and keys, and judged, without harm; what is
// read twice is read alike.
#include <openssl/evp.h>

#include <algorithm>
#include <string>
#include <vector>

#include "check.hpp"
#include "trust/anchors.hpp"
#include "trust/facts.hpp"
#include "trust/openssl.hpp"

namespace {

using namespace repartir;

std::string in_pem(std::string_view bytes, std::string_view kind) {
    std::vector<unsigned char> coded(bytes.size() / 3 * 4 + 5);
    // SAFETY: OpenSSL reads and writes characters as unsigned ones.
    const int length =
        EVP_EncodeBlock(coded.data(), reinterpret_cast<const unsigned char*>(bytes.data()),
                        static_cast<int>(bytes.size()));
    const std::string name(kind);
    std::string text = "-----BEGIN " + name + "-----\n";
    constexpr int columns = 64;  // longer lines are none of PEM
    for (int at = 0; at < length; at += columns) {
        text.append(coded.begin() + at, coded.begin() + std::min(at + columns, length));
        text += '\n';
    }
    return text + "-----END " + name + "-----\n";
}

void read_as_certificates(std::string_view text) {
    const auto certificates = trust::read_certificates(text, "the input");
    fuzz::check(certificates.has_value() ==
                trust::describe_certificate(text, "the input").has_value());
    if (!certificates) {
        return;
    }
    fuzz::check(!certificates->empty() && certificates->size() <= trust::pem_items_max);
    X509* first = certificates->front().get();
    const trust::CertificateFacts facts = trust::facts_of(first);
    fuzz::check(facts.name.size() <= 64 && facts.serial.size() >= 32);
    fuzz::check(facts.fingerprint.size() == 64 && facts.roles <= 7);
    for (const std::string& host : facts.hosts) {
        fuzz::check(host.find('\n') == std::string::npos);
    }
    (void)trust::date_text(facts.validity.until);
    const auto anchors = trust::Anchors::create(text, "the input", text, "the input");
    const auto alone = trust::Anchors::create(text, "the input", "", "");
    for (const auto* trusted : {&anchors, &alone}) {
        if (*trusted) {
            // One that signs itself may be good for something, but not for a role that it lacks.
            const trust::Flaw flaw = (*trusted)->judge(first, nullptr, {0, "host"});
            fuzz::check(flaw != trust::Flaw::none);
            (void)(*trusted)->judge(first, nullptr, {7, "host.example"});
            (void)(*trusted)->judge(first, nullptr, {7, ""});
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    // The first byte says what the rest is: a text, or what stands in one in base64.
    const std::string_view bytes = fuzz::text_of(data + 1, size - 1);
    const std::string text = data[0] == 'c'   ? in_pem(bytes, "CERTIFICATE")
                             : data[0] == 'r' ? in_pem(bytes, "X509 CRL")
                             : data[0] == 'k' ? in_pem(bytes, "PRIVATE KEY")
                                              : std::string(bytes);
    read_as_certificates(text);
    const auto lists = trust::read_revocation_lists(text, "the input");
    fuzz::check(lists.has_value() ==
                trust::describe_revocation_list(text, "the input").has_value());
    (void)trust::read_key(text, "the input");
    return 0;
}
