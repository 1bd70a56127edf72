/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.repository;

import static org.assertj.core.api.Assertions.assertThat;

import io.balancedllm.routing.RoutingPolicies;
import java.io.IOException;
import org.junit.jupiter.api.Test;

/** {@code docs/policies.md} lists the policies there are. */
class PoliciesDocumentTest {
    @Test
    void theTableListsTheNamedPoliciesInTheirOrder() throws IOException {
        assertThat(Repository.tableRows("docs/policies.md").stream()
                        .map(row -> row.get(0).replace("`", "")))
                .containsExactlyElementsOf(RoutingPolicies.names());
    }
}
