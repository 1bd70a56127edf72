/* SPDX-License-Identifier: Apache-2.0 */
package io.balancedllm.architecture;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaCodeUnit;
import com.tngtech.archunit.core.domain.JavaField;
import com.tngtech.archunit.core.domain.JavaMember;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.domain.JavaType;
import com.tngtech.archunit.lang.ArchCondition;
import com.tngtech.archunit.lang.ConditionEvents;
import com.tngtech.archunit.lang.SimpleConditionEvent;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * What users can see of a class names types of this library and of the JDK only, type arguments included. Then no
 * library underneath can force its versions on them.
 */
final class OwnTypesInPublic extends ArchCondition<JavaClass> {
    private static final List<String> ALLOWED = List.of("java.", "javax.net.", "io.balancedllm.");

    OwnTypesInPublic() {
        super("show only types of the library and of the JDK");
    }

    @Override
    public void check(JavaClass type, ConditionEvents events) {
        if (!visible(type)) {
            return;
        }
        type.getRawSuperclass().ifPresent(superclass -> report(type, type.getName(), superclass, events));
        for (JavaType implemented : type.getInterfaces()) {
            implemented.getAllInvolvedRawTypes().forEach(raw -> report(type, type.getName(), raw, events));
        }
        for (JavaMember member : type.getMembers()) {
            if (visible(member)) {
                for (JavaClass raw : typesOf(member)) {
                    report(type, member.getFullName(), raw, events);
                }
            }
        }
    }

    private static Set<JavaClass> typesOf(JavaMember member) {
        Set<JavaClass> types = new LinkedHashSet<>();
        if (member instanceof JavaField field) {
            types.addAll(field.getType().getAllInvolvedRawTypes());
        } else if (member instanceof JavaCodeUnit unit) {
            types.addAll(unit.getReturnType().getAllInvolvedRawTypes());
            unit.getParameterTypes().forEach(parameter -> types.addAll(parameter.getAllInvolvedRawTypes()));
            types.addAll(unit.getExceptionTypes());
        }
        return types;
    }

    private static boolean visible(JavaClass type) {
        return (type.getModifiers().contains(JavaModifier.PUBLIC)
                        || type.getModifiers().contains(JavaModifier.PROTECTED))
                && type.getEnclosingClass().map(OwnTypesInPublic::visible).orElse(true);
    }

    private static boolean visible(JavaMember member) {
        return member.getModifiers().contains(JavaModifier.PUBLIC)
                || member.getModifiers().contains(JavaModifier.PROTECTED);
    }

    private static void report(JavaClass type, String where, JavaClass shown, ConditionEvents events) {
        JavaClass element = shown.getBaseComponentType();
        if (!element.isPrimitive() && ALLOWED.stream().noneMatch(element.getName()::startsWith)) {
            events.add(SimpleConditionEvent.violated(type, where + " shows " + element.getName()));
        }
    }
}
