//! The systemd unit of a process.

/// The unit in the text of /proc/PID/cgroup, if it is a service. That of a user or of a container is named with the service
/// around it: `user@1000.service/web.service`.
pub fn in_groups(groups: &str) -> Option<String> {
    let mut paths = groups.lines().filter_map(|line| {
        // The one hierarchy of version 2, or systemd's own beside those of version 1.
        let own = line.split_once(":name=systemd:").map(|(_, path)| path);
        line.strip_prefix("0::").or(own)
    });
    paths.find_map(|path| {
        let is_service = |part: &&str| part.ends_with(".service");
        let parts = path.split('/');
        // A login's processes, and those of a container, are in a scope.
        let innermost = parts
            .clone()
            .rfind(|part| is_service(part) || part.ends_with(".scope"));
        innermost.filter(is_service)?;
        let services: Vec<_> = parts.filter(is_service).collect();
        let shown = services.join("/");
        Some(shown.chars().filter(|char| !char.is_control()).collect())
    })
}
