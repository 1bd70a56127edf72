/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.routing;

import io.balancedllm.endpoint.EndpointView;
import java.util.List;
import java.util.RandomAccess;

/**
 * The endpoints a pick may choose from: eligible, never empty, in the order of the pool. Immutable, valid during the
 * pick.
 */
public interface Candidates extends List<EndpointView>, RandomAccess {
    /** {@return the position in the whole pool of the candidate at this index} */
    int ordinal(int index);

    /** {@return how many endpoints the whole pool has, eligible or not} */
    int poolSize();
}
