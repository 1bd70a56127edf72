/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.cache;

/** Who may be given an answer that was made for somebody else. */
public enum CacheScope {
    /** Only calls of the tenant it was made for; calls without a tenant share one scope of their own. The default. */
    TENANT,
    /** Every call. Right only where no answer can hold anything private. */
    GLOBAL
}
