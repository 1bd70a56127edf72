/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.discovery;

import io.balancedllm.endpoint.EngineReport;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** Notes what a source tells. */
final class Watched implements EndpointSource.Watcher {
    final List<List<EndpointSpec>> sets = Collections.synchronizedList(new ArrayList<>());
    final List<String> reports = Collections.synchronizedList(new ArrayList<>());

    @Override
    public void endpoints(List<EndpointSpec> desired) {
        sets.add(List.copyOf(desired));
    }

    @Override
    public void report(String id, EngineReport report) {
        reports.add(id + " " + report);
    }

    List<EndpointSpec> last() {
        return sets.get(sets.size() - 1);
    }

    List<String> ids() {
        return last().stream().map(EndpointSpec::id).toList();
    }
}
