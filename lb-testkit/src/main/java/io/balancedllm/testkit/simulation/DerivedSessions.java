/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.testkit.simulation;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Guesses which requests of a trace belong to one conversation, from what their prompts share. */
final class DerivedSessions {
    /** Blocks two prompts share at least when one continues the other; a first block may be a prompt of the system. */
    private static final int SHARED_BLOCKS = 2;

    private DerivedSessions() {}

    static List<TraceRequest> of(List<TraceRequest> requests) {
        Map<Long, String> sessions = new HashMap<>();
        List<TraceRequest> result = new ArrayList<>(requests.size());
        int count = 0;
        for (TraceRequest request : requests) {
            if (request.options().session().isPresent()) {
                result.add(request);
                continue;
            }
            List<Long> blocks = request.prompt().blocks();
            int shared = 0;
            while (shared < blocks.size() && sessions.containsKey(blocks.get(shared))) {
                shared++;
            }
            String session =
                    shared < SHARED_BLOCKS ? "derived-" + count++ : sessions.getOrDefault(blocks.get(shared - 1), "");
            blocks.forEach(block -> sessions.putIfAbsent(block, session));
            result.add(new TraceRequest(
                    request.arrivalSeconds(),
                    request.prompt(),
                    request.outputTokens(),
                    request.options().newBuilder().session(session).build(),
                    request.thinkSeconds()));
        }
        return result;
    }
}
