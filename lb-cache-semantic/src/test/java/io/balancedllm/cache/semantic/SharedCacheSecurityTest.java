/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic;

import static io.balancedllm.cache.semantic.Answers.lookup;
import static io.balancedllm.cache.semantic.Answers.put;
import static io.balancedllm.cache.semantic.Answers.text;
import static io.balancedllm.cache.semantic.RedisServer.await;
import static io.balancedllm.cache.semantic.SharedCaches.shared;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.balancedllm.cache.CacheLookup;
import io.balancedllm.cache.semantic.redis.RedisTier;
import io.balancedllm.cache.semantic.redis.RedisTierBuilder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Users, passwords and certificates, each with a real server that asks for them. */
class SharedCacheSecurityTest {
    /** All that the documentation says a user of the access control list needs. */
    private static final String[] RIGHTS = {
        "~balancedllm:*",
        "+hello",
        "+auth",
        "+ping",
        "+time",
        "+set",
        "+mget",
        "+unlink",
        "+pexpire",
        "+xadd",
        "+xread",
        "+xrange",
        "+xrevrange"
    };

    @TempDir
    @SuppressWarnings("NullAway.Init")
    private Path folder;

    private @Nullable SharedCaches caches;

    @AfterEach
    void close() {
        if (caches != null) {
            caches.close();
        }
    }

    private RedisServer server(String... options) throws IOException {
        caches = SharedCaches.around(folder, options);
        return caches.server();
    }

    /** Starts a server that talks TLS only. */
    private RedisServer tlsServer(SelfSigned own, String asksClients, SelfSigned believed, String... more)
            throws IOException {
        List<String> options = new ArrayList<>(List.of("--port", "0", "--tls-port", "PORT"));
        options.addAll(List.of("--tls-auth-clients", asksClients));
        options.addAll(List.of("--tls-cert-file", own.certificate().toString()));
        options.addAll(List.of("--tls-key-file", own.key().toString()));
        options.addAll(List.of("--tls-ca-cert-file", believed.certificate().toString()));
        options.addAll(List.of(more));
        return server(options.toArray(String[]::new));
    }

    private SemanticCache cache(RedisTierBuilder tier) {
        return Objects.requireNonNull(caches).cache(SemanticCache.builder(new ScriptedEmbedder()), tier);
    }

    private static void shares(SemanticCache one, SemanticCache other) {
        put(one, "q", "of q");
        await(() -> text(lookup(other, "q")).equals("of q"));
    }

    @Test
    void aPasswordIsSaidAndAWrongOneKeepsTheCacheAloneUntilItIsRight() throws Exception {
        RedisServer server = server("--requirepass", "right");
        AtomicReference<String> password = new AtomicReference<>("wrong");
        SemanticCache one = cache(RedisTier.builder(server.uri()).credentials("default", password::get));
        SemanticCache other = cache(RedisTier.builder(server.uri()).credentials("default", () -> "right"));
        SemanticCache nobody = cache(RedisTier.builder(server.uri()));
        await(() -> shared(one).trouble().contains("WRONGPASS"));
        await(() -> shared(nobody).trouble().contains("NOAUTH"));
        put(one, "q", "of q");
        assertThat(text(lookup(one, "q"))).isEqualTo("of q");
        assertThat(lookup(other, "q")).isInstanceOf(CacheLookup.Miss.class);

        password.set("right");
        await(() -> text(lookup(other, "q")).equals("of q"));
    }

    @Test
    void aUserNeedsNoMoreRightsThanDocumentedAndOneWithFewerIsToldSo() throws Exception {
        RedisServer server = server();
        List<String> user = new ArrayList<>(List.of("ACL", "SETUSER", "cache", "on", ">secret"));
        user.addAll(List.of(RIGHTS));
        assertThat(server.say(user.toArray(String[]::new))).isEqualTo("+OK");
        server.say("ACL", "SETUSER", "reader", "on", ">secret", "~balancedllm:*", "+@read", "+@connection", "+time");
        SemanticCache one = cache(RedisTier.builder(server.uri()).credentials("cache", () -> "secret"));
        SemanticCache other = cache(RedisTier.builder(server.uri()).credentials("cache", () -> "secret"));
        shares(one, other);
        SemanticCache reader = cache(RedisTier.builder(server.uri()).credentials("reader", () -> "secret"));
        SemanticCache stranger = cache(RedisTier.builder(server.uri())
                .credentials("cache", () -> "secret")
                .prefix("somewhere"));
        await(() -> text(lookup(reader, "q")).equals("of q"));
        put(reader, "r at 3", "of r");

        await(() -> shared(reader).trouble().contains("NOPERM"));
        await(() -> shared(stranger).trouble().contains("NOPERM"));
        assertThat(shared(reader).dropped()).isEqualTo(1);
        one.invalidateAll();
        await(() -> other.statistics().entries() == 0);
    }

    @Test
    void overTlsOnlyACertificateThatIsBelievedIsTalkedTo() throws Exception {
        SelfSigned certificate = SelfSigned.in(folder, "server");
        SelfSigned another = SelfSigned.in(folder, "another");
        RedisServer server = tlsServer(certificate, "no", certificate, "--requirepass", "right");
        SemanticCache one = cache(tls(server).trust(certificate.certificate()));
        SemanticCache other = cache(tls(server).trust(certificate.certificate()));
        SemanticCache doubts = cache(tls(server).trust(another.certificate()));
        SemanticCache believesThePlatform = cache(tls(server));
        shares(one, other);

        await(() -> shared(doubts).trouble().contains("certif"));
        await(() -> shared(believesThePlatform).trouble().contains("certif"));
        assertThat(shared(doubts).connections()).isZero();
    }

    private static RedisTierBuilder tls(RedisServer server) {
        return RedisTier.builder(server.uri()).credentials("default", () -> "right");
    }

    @Test
    void aServerThatAsksForACertificateIsShownOne() throws Exception {
        SelfSigned certificate = SelfSigned.in(folder, "server");
        SelfSigned client = SelfSigned.in(folder, "client");
        RedisServer server = tlsServer(certificate, "yes", client);
        RedisTierBuilder shown = RedisTier.builder(server.uri())
                .trust(certificate.certificate())
                .clientCertificate(client.certificate(), client.key());
        SemanticCache one = cache(shown);
        SemanticCache other = cache(shown);
        SemanticCache shy = cache(RedisTier.builder(server.uri()).trust(certificate.certificate()));
        shares(one, other);

        await(() -> !shared(shy).trouble().isEmpty());
        assertThat(shared(shy).connections()).isZero();
    }

    @Test
    void settingsThatCannotBeMeantAreRefusedByName() throws Exception {
        assertThatThrownBy(() -> RedisTier.builder("http://localhost"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("uri");
        assertThatThrownBy(() -> RedisTier.builder("redis://user:secret@localhost"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("credentials")
                .hasMessageNotContaining("secret");
        assertThatThrownBy(() -> RedisTier.builder("redis:localhost")).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> RedisTier.builder("redis://localhost/first"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("database");
        RedisTierBuilder builder = RedisTier.builder("redis://localhost");
        assertThatThrownBy(() -> builder.prefix(" ")).hasMessageContaining("prefix");
        assertThatThrownBy(() -> builder.maximumEntries(10)).hasMessageContaining("maximumEntries");
        assertThatThrownBy(() -> builder.credentials("", () -> "x")).hasMessageContaining("user");
        Path none = Files.writeString(folder.resolve("none.pem"), "nothing");
        assertThatThrownBy(() -> builder.trust(none))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("none.pem");
        assertThatThrownBy(() -> builder.trust(folder.resolve("missing.pem")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("missing.pem");
        SelfSigned certificate = SelfSigned.in(folder, "any");
        assertThatThrownBy(() -> RedisTier.builder("redis://localhost")
                        .trust(certificate.certificate())
                        .build())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("rediss");
        assertThatThrownBy(() -> RedisTier.builder("rediss://localhost")
                        .clientCertificate(certificate.certificate(), none)
                        .build())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("clientCertificate");
    }

    @Test
    void aTierSaysWhereItIsAndNotThePassword() {
        try (RedisTier tier = RedisTier.builder("rediss://cache.example.com:6390/2")
                .credentials("me", () -> "secret")
                .build()) {
            assertThat(tier).hasToString("RedisTier{rediss://cache.example.com:6390}");
        }
    }
}
