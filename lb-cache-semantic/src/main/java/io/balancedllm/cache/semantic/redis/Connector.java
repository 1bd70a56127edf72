/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic.redis;

import io.lettuce.core.ClientOptions;
import io.lettuce.core.MaintNotificationsConfig;
import io.lettuce.core.RedisClient;
import io.lettuce.core.RedisCredentials;
import io.lettuce.core.RedisCredentialsProvider;
import io.lettuce.core.RedisURI;
import io.lettuce.core.SocketOptions;
import io.lettuce.core.SslOptions;
import io.lettuce.core.TimeoutOptions;
import io.lettuce.core.api.StatefulRedisConnection;
import io.lettuce.core.codec.ByteArrayCodec;
import io.lettuce.core.codec.RedisCodec;
import io.lettuce.core.codec.StringCodec;
import io.lettuce.core.resource.ClientResources;
import io.lettuce.core.resource.DefaultClientResources;
import java.io.IOException;
import java.security.GeneralSecurityException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Makes connections. It is the tier that connects again, not Lettuce: after each connection it has to find out what it
 * missed.
 */
final class Connector implements AutoCloseable {
    private static final RedisCodec<String, byte[]> CODEC = RedisCodec.of(StringCodec.UTF8, ByteArrayCodec.INSTANCE);
    /** Lettuce asks for two at least. */
    private static final int THREADS = 2;

    private static final int PLAIN_PORT = 6379;
    private static final long CLOSE_MILLIS = 2_000;

    private final String prefix;
    private final int maximumEntries;
    private final RedisURI uri;
    private final ClientResources resources;
    private final RedisClient client;

    Connector(RedisTierBuilder builder) {
        ClientOptions options = options(builder);
        this.prefix = builder.prefix;
        this.maximumEntries = builder.maximumEntries;
        this.uri = uri(builder);
        this.resources = DefaultClientResources.builder()
                .ioThreadPoolSize(THREADS)
                .computationThreadPoolSize(THREADS)
                .build();
        this.client = RedisClient.create(resources);
        client.setOptions(options);
    }

    private static RedisURI uri(RedisTierBuilder builder) {
        String path = builder.uri.getPath();
        RedisURI.Builder uri = RedisURI.builder()
                .withHost(builder.uri.getHost())
                .withPort(builder.uri.getPort() < 0 ? PLAIN_PORT : builder.uri.getPort())
                .withDatabase(path.length() > 1 ? Integer.parseInt(path.substring(1)) : 0)
                .withSsl(builder.tls())
                .withTimeout(RedisTier.TIMEOUT);
        String user = builder.user;
        Supplier<String> password = builder.password;
        if (user != null && password != null) {
            uri.withAuthentication(RedisCredentialsProvider.from(() -> RedisCredentials.just(user, password.get())));
        }
        return uri.build();
    }

    private static ClientOptions options(RedisTierBuilder builder) {
        ClientOptions.Builder options = ClientOptions.builder()
                .autoReconnect(false)
                .maintNotificationsConfig(MaintNotificationsConfig.disabled())
                .socketOptions(SocketOptions.builder()
                        .connectTimeout(RedisTier.TIMEOUT)
                        .build())
                .timeoutOptions(TimeoutOptions.enabled(RedisTier.TIMEOUT));
        if (builder.tls()) {
            options.sslOptions(tls(builder));
        }
        return options.build();
    }

    private static SslOptions tls(RedisTierBuilder builder) {
        SslOptions.Builder tls = SslOptions.builder().jdkSslProvider().handshakeTimeout(RedisTier.TIMEOUT);
        if (builder.trust != null) {
            tls.trustManager(builder.trust);
        }
        if (builder.certificate != null && builder.key != null) {
            tls.keyManager(builder.certificate.toFile(), builder.key.toFile(), null);
        }
        SslOptions built = tls.build();
        try {
            built.createSslContextBuilder().build(); // a bad file is told now, not by the first connection
        } catch (IOException | GeneralSecurityException | IllegalArgumentException e) {
            throw new IllegalArgumentException("clientCertificate cannot be used: " + e.getMessage(), e);
        }
        return built;
    }

    /** {@return the connections of a cache} */
    CompletionStage<Link> connect(String space) {
        CompletionStage<StatefulRedisConnection<String, byte[]>> first = client.connectAsync(CODEC, uri);
        return first.thenCompose(commands -> client.connectAsync(CODEC, uri)
                .whenComplete((waiting, failure) -> {
                    if (failure != null) {
                        var unused = commands.closeAsync();
                    }
                })
                .thenApply(waiting -> new Link(commands, waiting, new Keys(prefix, space), maximumEntries)));
    }

    /** {@return what went wrong, in the words that say most: those of the server, or of the system} */
    static String trouble(Throwable failure) {
        Throwable deepest = failure;
        for (@Nullable Throwable cause = failure; cause != null; cause = cause.getCause()) {
            deepest = cause;
        }
        String message = deepest.getMessage();
        return message == null || message.isBlank() ? deepest.toString() : message;
    }

    @Override
    public void close() {
        client.shutdown(0, CLOSE_MILLIS, TimeUnit.MILLISECONDS);
        var unused = resources.shutdown(0, CLOSE_MILLIS, TimeUnit.MILLISECONDS).awaitUninterruptibly(CLOSE_MILLIS);
    }

    /** {@return where the server is} */
    @Override
    public String toString() {
        return (uri.isSsl() ? "rediss://" : "redis://") + uri.getHost() + ':' + uri.getPort();
    }
}
