/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache.semantic.redis;

import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.util.Collection;
import java.util.function.Supplier;
import javax.net.ssl.TrustManagerFactory;
import org.jspecify.annotations.Nullable;

/** Builds a {@link RedisTier}. Each setter refuses a bad value at once, by name. Not thread-safe. */
public final class RedisTierBuilder {
    /** A log must be longer than what is read at once, or one could not tell whether it was cut off meanwhile. */
    private static final int SHORTEST_LOG = 1_000;

    private static final String PLAIN = "redis";
    private static final String TLS = "rediss";

    final URI uri;
    String prefix = RedisTier.DEFAULT_PREFIX;
    int maximumEntries = RedisTier.DEFAULT_MAXIMUM_ENTRIES;

    @Nullable
    String user;

    @Nullable
    Supplier<String> password;

    @Nullable
    TrustManagerFactory trust;

    @Nullable
    Path certificate;

    @Nullable
    Path key;

    RedisTierBuilder(URI uri) {
        if (!PLAIN.equals(uri.getScheme()) && !TLS.equals(uri.getScheme())) {
            throw new IllegalArgumentException("uri must begin with redis:// or rediss://, got " + uri.getScheme());
        }
        if (uri.getRawUserInfo() != null) {
            throw new IllegalArgumentException("uri must not carry a password, which would be logged: set credentials");
        }
        if (uri.getHost() == null) {
            throw new IllegalArgumentException("uri must name a host, got " + uri);
        }
        if (uri.getRawQuery() != null || !uri.getRawPath().matches("(/\\d{0,4})?")) {
            throw new IllegalArgumentException("uri may name a database by number and nothing else, got " + uri);
        }
        this.uri = uri;
    }

    boolean tls() {
        return TLS.equals(uri.getScheme());
    }

    /**
     * Sets who the tier says it is. Default: nobody.
     *
     * @param user a user of the access control list; {@code default} where the server has a password only
     * @param password asked on a thread of the tier for each connection, so that it may change
     */
    public RedisTierBuilder credentials(String user, Supplier<String> password) {
        if (user.isBlank()) {
            throw new IllegalArgumentException("user must not be blank");
        }
        this.user = user;
        this.password = password;
        return this;
    }

    /**
     * Sets whose certificates are believed, instead of those the platform believes. For {@code rediss://}.
     *
     * @param pem a file of certificates
     * @throws IllegalArgumentException when it cannot be read, or holds none
     */
    public RedisTierBuilder trust(Path pem) {
        try (InputStream in = Files.newInputStream(pem)) {
            Collection<? extends Certificate> certificates =
                    CertificateFactory.getInstance("X.509").generateCertificates(in);
            if (certificates.isEmpty()) {
                throw new IllegalArgumentException("trust must be a file of certificates, and there is none in " + pem);
            }
            KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
            store.load(null, null);
            for (Certificate one : certificates) {
                store.setCertificateEntry("trusted-" + store.size(), one);
            }
            TrustManagerFactory factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
            factory.init(store);
            this.trust = factory;
            return this;
        } catch (IOException | GeneralSecurityException e) {
            throw new IllegalArgumentException("trust cannot be read from " + pem + ": " + e.getMessage(), e);
        }
    }

    /**
     * Sets the certificate the tier shows, where the server asks for one. For {@code rediss://}.
     *
     * @param certificate a PEM file
     * @param key its private key, a PEM file in PKCS #8 without a password
     */
    public RedisTierBuilder clientCertificate(Path certificate, Path key) {
        for (Path file : new Path[] {certificate, key}) {
            if (!Files.isReadable(file)) {
                throw new IllegalArgumentException("clientCertificate cannot be read from " + file);
            }
        }
        this.certificate = certificate;
        this.key = key;
        return this;
    }

    /**
     * Sets what the names of all keys begin with; caches with different ones share nothing. Default
     * {@link RedisTier#DEFAULT_PREFIX}.
     */
    public RedisTierBuilder prefix(String prefix) {
        if (prefix.isBlank()) {
            throw new IllegalArgumentException("prefix must not be blank");
        }
        this.prefix = prefix;
        return this;
    }

    /**
     * Sets about how many records the log keeps, at least 1,000; answers expire by their own time. Default
     * {@link RedisTier#DEFAULT_MAXIMUM_ENTRIES}.
     */
    public RedisTierBuilder maximumEntries(int records) {
        if (records < SHORTEST_LOG) {
            throw new IllegalArgumentException("maximumEntries must be at least " + SHORTEST_LOG + ", got " + records);
        }
        this.maximumEntries = records;
        return this;
    }

    /**
     * {@return the tier; it connects when its cache is built}
     *
     * @throws IllegalArgumentException when certificates are set and the URI is not {@code rediss://}, or cannot be used
     */
    public RedisTier build() {
        if (!tls() && (trust != null || certificate != null)) {
            throw new IllegalArgumentException("certificates are of use with rediss:// only, got " + uri);
        }
        return new RedisTier(new Connector(this));
    }
}
