/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.openai;

import java.util.Locale;
import okhttp3.HttpUrl;

/**
 * Where a server is. {@code http://gpu-1:8000}, {@code http://gpu-1:8000/} and {@code http://gpu-1:8000/v1} mean the
 * same; a path before {@code /v1} is kept. No part of it is secret, so it may be printed.
 *
 * @param root the URL without {@code /v1}, ending in a slash
 */
record ServerUrl(HttpUrl root) {
    /** {@return the server at this URL, or an IllegalArgumentException that says what is wrong and prints no secret} */
    static ServerUrl parse(String url) {
        String text = url.strip();
        String lower = text.toLowerCase(Locale.ROOT);
        if (!lower.startsWith("http://") && !lower.startsWith("https://")) {
            throw new IllegalArgumentException(
                    "url must start with http:// or https://, got " + (text.isEmpty() ? "nothing" : masked(text)));
        }
        HttpUrl parsed = HttpUrl.parse(text);
        if (parsed == null) {
            throw new IllegalArgumentException("url is malformed (host, port?): " + masked(text));
        }
        if (!parsed.username().isEmpty() || !parsed.password().isEmpty()) {
            throw new IllegalArgumentException(
                    "url must not contain credentials, use apiKey(...) or header(...): " + masked(text));
        }
        if (parsed.query() != null || parsed.fragment() != null) {
            throw new IllegalArgumentException("url must have neither query nor fragment: " + masked(text));
        }
        String path = parsed.encodedPath();
        while (path.endsWith("/")) {
            path = path.substring(0, path.length() - 1);
        }
        if (path.endsWith("/v1")) {
            path = path.substring(0, path.length() - "/v1".length());
        }
        return new ServerUrl(parsed.newBuilder().encodedPath(path + "/").build());
    }

    /** {@return the URL of a path below the root, itself without a leading slash} */
    HttpUrl at(String path) {
        HttpUrl url = root.resolve(path);
        if (url == null) {
            throw new IllegalArgumentException("no path: " + path);
        }
        return url;
    }

    /** {@return the text without what may be secret: user info and everything after the path} */
    private static String masked(String text) {
        String shown = text;
        int at = shown.lastIndexOf('@');
        if (at >= 0) {
            int slashes = shown.indexOf("//");
            shown = shown.substring(0, slashes >= 0 && slashes < at ? slashes + 2 : 0) + "***" + shown.substring(at);
        }
        for (char mark : new char[] {'?', '#'}) {
            int cut = shown.indexOf(mark);
            if (cut >= 0) {
                shown = shown.substring(0, cut + 1) + "***";
            }
        }
        return shown;
    }

    @Override
    public String toString() {
        String text = root.toString();
        return text.substring(0, text.length() - 1);
    }
}
