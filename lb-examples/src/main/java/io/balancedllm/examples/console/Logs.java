/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples.console;

/** Where the libraries of the examples write their logs. */
public final class Logs {
    private static final String PROVIDER = "org.jboss.logging.provider";

    private Logs() {}

    /** Makes Undertow log like everything else; to be called before its first class is used. A user's choice stays. */
    public static void sendUndertowToSlf4j() {
        if (System.getProperty(PROVIDER) == null) {
            System.setProperty(PROVIDER, "slf4j");
        }
    }
}
