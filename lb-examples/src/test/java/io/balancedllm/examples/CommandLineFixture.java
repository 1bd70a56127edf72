/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.examples;

import java.io.PrintWriter;
import java.io.StringWriter;

/**
 * What a command did when it was run in this process.
 *
 * @param code its exit code
 * @param out what it printed to standard output
 * @param err what it printed to standard error
 */
record CommandLineFixture(int code, String out, String err) {
    static CommandLineFixture run(String... args) {
        StringWriter out = new StringWriter();
        StringWriter err = new StringWriter();
        int code = Main.run(new PrintWriter(out, true), new PrintWriter(err, true), args);
        return new CommandLineFixture(code, out.toString(), err.toString());
    }
}
