/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.architecture;

import static com.tngtech.archunit.core.domain.JavaAccess.Predicates.target;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideOutsideOfPackages;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.simpleName;
import static com.tngtech.archunit.core.domain.properties.HasName.Predicates.name;
import static com.tngtech.archunit.core.domain.properties.HasOwner.Predicates.With.owner;
import static com.tngtech.archunit.lang.conditions.ArchConditions.accessTargetWhere;
import static com.tngtech.archunit.lang.conditions.ArchConditions.never;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaPackage;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.NullMarked;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CoreArchitectureTest {
    private static final String ROOT = "io.balancedllm";
    private static final Set<String> EMPTY_NAMES =
            Set.of("util", "utils", "common", "impl", "helper", "helpers", "internal", "manager", "misc");

    private static final JavaClasses EVERYTHING = new ClassFileImporter().importPackages(ROOT);
    private static final JavaClasses PRODUCT = new ClassFileImporter()
            .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
            .importPackages(ROOT);

    @Test
    void packagesDependOnEachOtherWithoutCycles() {
        slices().matching(ROOT + ".(*)..").should().beFreeOfCycles().check(PRODUCT);
    }

    @Test
    void nothingDependsOnTheFacade() {
        noClasses()
                .that()
                .resideInAPackage(ROOT + ".*..")
                .should()
                .dependOnClassesThat()
                .resideInAPackage(ROOT)
                .check(PRODUCT);
    }

    @ParameterizedTest
    @CsvSource({
        "completion, ''",
        "time, ''",
        "endpoint, completion",
        "event, completion endpoint",
        "prefix, completion",
        "routing, completion endpoint prefix",
        "metrics, completion endpoint event time",
        "health, completion endpoint event",
        "cache, completion time"
    })
    void thePackagesEverythingStandsOnKnowOnlyThoseBelow(String name, String below) {
        String[] allowed = Stream.concat(Stream.of(name), Stream.of(below.split(" ")))
                .filter(simple -> !simple.isEmpty())
                .map(simple -> ROOT + "." + simple + "..")
                .toArray(String[]::new);
        noClasses()
                .that()
                .resideInAPackage(ROOT + "." + name + "..")
                .should()
                .dependOnClassesThat(resideInAPackage(ROOT + "..").and(resideOutsideOfPackages(allowed)))
                .check(PRODUCT);
    }

    @Test
    void onlyThePackageTimeReadsClocksSleepsSetsTimersOrDrawsUnseededChance() {
        classes()
                .that()
                .resideOutsideOfPackage(ROOT + ".time..")
                .should(never(accessTargetWhere(new TimeAndChance())))
                .check(EVERYTHING);
    }

    @Test
    void theRuleAboutTimeSeesTheClockTheTimerAndTheChanceWhereTheyAre() {
        List<String> seen = classes()
                .should(never(accessTargetWhere(new TimeAndChance())))
                .evaluate(new ClassFileImporter().importPackages(ROOT + ".time"))
                .getFailureReport()
                .getDetails();

        assertThat(seen)
                .anySatisfy(detail -> assertThat(detail).contains("java.lang.System.nanoTime()"))
                .anySatisfy(detail -> assertThat(detail).contains("java.util.concurrent.ScheduledThreadPoolExecutor"))
                .anySatisfy(detail -> assertThat(detail).contains("java.util.concurrent.ThreadLocalRandom"));
    }

    @Test
    void onlyLeasesWriteTheInFlightCount() {
        noClasses()
                .that()
                .doNotHaveSimpleName("Lease")
                .and()
                .doNotHaveSimpleName("PoolMember")
                .should()
                .callMethodWhere(target(name("release")).and(target(owner(simpleName("PoolMember")))))
                .check(PRODUCT);
        noClasses()
                .that()
                .doNotHaveSimpleName("PoolMember")
                .should()
                .accessFieldWhere(target(name("inFlight")).and(target(owner(simpleName("PoolMember")))))
                .check(PRODUCT);
    }

    @Test
    void whatUsersSeeIsMadeOfOurOwnTypesAndTheJdks() {
        classes().should(new OwnTypesInPublic()).check(PRODUCT);
    }

    @Test
    void theRuleAboutTypesLooksAtResultsTypeArgumentsAndArrays() {
        List<String> seen = classes()
                .should(new OwnTypesInPublic())
                .evaluate(new ClassFileImporter().importClasses(ShowsTooMuch.class))
                .getFailureReport()
                .getDetails();

        assertThat(seen).hasSize(3).noneMatch(detail -> detail.contains("hidden"));
    }

    @Test
    void packagesAreNamedAfterTheDomain() {
        assertThat(packages())
                .allSatisfy(name -> assertThat(name.split("\\.")).doesNotContainAnyElementsOf(EMPTY_NAMES));
    }

    @Test
    void everyPackageIsNullMarked() {
        assertThat(packages())
                .isNotEmpty()
                .allSatisfy(name -> assertThat(PRODUCT.getPackage(name).isAnnotatedWith(NullMarked.class))
                        .as(name)
                        .isTrue());
    }

    private static List<String> packages() {
        return Stream.concat(
                        Stream.of(PRODUCT.getPackage(ROOT)), PRODUCT.getPackage(ROOT).getSubpackagesInTree().stream())
                .filter(subpackage -> !subpackage.getClasses().isEmpty())
                .map(JavaPackage::getName)
                .toList();
    }
}
