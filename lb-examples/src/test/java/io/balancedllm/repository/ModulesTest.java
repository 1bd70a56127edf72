/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.repository;

import static com.tngtech.archunit.base.DescribedPredicate.not;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noConstructors;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noFields;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noMethods;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaMember;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.domain.JavaPackage;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.NullMarked;
import org.junit.jupiter.api.Test;

/** Rules across modules; those inside core are tested in core. */
class ModulesTest {
    private static final String CACHE = "io.balancedllm.cache.semantic..";
    private static final String DJL = "io.balancedllm.djl..";
    private static final String TESTKIT = "io.balancedllm.testkit..";
    private static final String EXAMPLES = "io.balancedllm.examples..";
    private static final String[] HIDDEN_LIBRARIES = {
        "com.fasterxml..",
        "okhttp3..",
        "okio..",
        "kotlin..",
        "org.HdrHistogram..",
        "ai.djl..",
        "io.lettuce..",
        "io.netty..",
        "reactor..",
        "org.slf4j.."
    };
    private static final Set<String> EMPTY_NAMES =
            Set.of("util", "utils", "common", "impl", "helper", "helpers", "internal", "manager", "misc");

    private static final JavaClasses PRODUCT = new ClassFileImporter()
            .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
            .importPackages("io.balancedllm");

    @Test
    void coreKnowsNoOtherModule() {
        noClasses()
                .that(not(resideInAnyPackage(CACHE, DJL, TESTKIT, EXAMPLES)))
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(CACHE, DJL, TESTKIT, EXAMPLES)
                .check(PRODUCT);
    }

    @Test
    void theSemanticCacheKnowsCoreOnly() {
        knowsNone(CACHE, DJL, TESTKIT, EXAMPLES);
    }

    @Test
    void theInProcessBackendKnowsCoreOnly() {
        knowsNone(DJL, CACHE, TESTKIT, EXAMPLES);
    }

    @Test
    void theTestkitKnowsCoreOnly() {
        knowsNone(TESTKIT, CACHE, DJL, EXAMPLES);
    }

    private static void knowsNone(String module, String... others) {
        noClasses()
                .that()
                .resideInAPackage(module)
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(others)
                .check(PRODUCT);
    }

    @Test
    void whatUsersSeeOfALibraryModuleNamesNoLibraryBelowIt() {
        DescribedPredicate<JavaMember> seen = DescribedPredicate.describe(
                "are seen by users",
                member -> isSeen(member.getModifiers())
                        && isSeen(member.getOwner())
                        && !member.getOwner().getPackageName().startsWith("io.balancedllm.examples"));
        DescribedPredicate<JavaClass> hidden = resideInAnyPackage(HIDDEN_LIBRARIES);

        noMethods().that(seen).should().haveRawReturnType(hidden).check(PRODUCT);
        noMethods().that(seen).should().haveRawParameterTypes(anyOf(hidden)).check(PRODUCT);
        noConstructors()
                .that(seen)
                .should()
                .haveRawParameterTypes(anyOf(hidden))
                .check(PRODUCT);
        noFields().that(seen).should().haveRawType(hidden).check(PRODUCT);
    }

    private static DescribedPredicate<List<JavaClass>> anyOf(DescribedPredicate<JavaClass> type) {
        return DescribedPredicate.describe(
                "any of the libraries below", types -> types.stream().anyMatch(type));
    }

    private static boolean isSeen(JavaClass type) {
        return isSeen(type.getModifiers())
                && type.getEnclosingClass().map(ModulesTest::isSeen).orElse(true);
    }

    private static boolean isSeen(Set<JavaModifier> modifiers) {
        return modifiers.contains(JavaModifier.PUBLIC) || modifiers.contains(JavaModifier.PROTECTED);
    }

    @Test
    void packagesAreNamedAfterTheDomain() {
        assertThat(packages())
                .allSatisfy(name -> assertThat(name.split("\\.")).doesNotContainAnyElementsOf(EMPTY_NAMES));
    }

    @Test
    void everyPackageIsNullMarked() {
        assertThat(packages())
                .hasSizeGreaterThan(8)
                .allSatisfy(name -> assertThat(PRODUCT.getPackage(name).isAnnotatedWith(NullMarked.class))
                        .as(name)
                        .isTrue());
    }

    private static List<String> packages() {
        JavaPackage root = PRODUCT.getPackage("io.balancedllm");
        return Stream.concat(Stream.of(root), root.getSubpackagesInTree().stream())
                .filter(subpackage -> !subpackage.getClasses().isEmpty())
                .map(JavaPackage::getName)
                .filter(name -> !name.endsWith(".jmh_generated"))
                .toList();
    }
}
