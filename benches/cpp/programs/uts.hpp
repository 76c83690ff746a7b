// Unbalanced tree search: the tree is known only as far as it has been walked, and its subtrees differ widely in size.
#pragma once

#include "../pool.hpp"
#include "../request.hpp"

// 4 130 071 nodes, cut off at depth 10.
struct T1 {
    static constexpr std::uint64_t warm_up = 5;
    static kernel_uts_tree with_size(std::uint64_t depth_limit) {
        return {KERNEL_UTS_GEOMETRIC, 19, 4.0, std::uint32_t(depth_limit), 0, 0.0};
    }
};

// 4 112 897 nodes, 1 572 levels.
struct T3 {
    static constexpr std::uint64_t warm_up = 4;
    static kernel_uts_tree with_size(std::uint64_t roots) {
        return {KERNEL_UTS_BINOMIAL, 42, double(roots), 0, 8, 0.124875};
    }
};

// 111 345 631 nodes, 17 844 levels.
struct T3L {
    static constexpr std::uint64_t warm_up = 1;
    static kernel_uts_tree with_size(std::uint64_t roots) {
        return {KERNEL_UTS_BINOMIAL, 7, double(roots), 0, 5, 0.200014};
    }
};

template <class Tree> class Search {
    kernel_uts_tree tree;

    // What is known of a subtree.
    struct Found {
        std::uint64_t nodes, leaves;
        std::uint32_t depth;
    };

    template <class P>
    static void search_children(typename P::Worker worker, const kernel_uts_tree &tree, const kernel_uts_node &node,
                                std::uint32_t children, Found *found) {
        P::fork_each(worker, children, [&](typename P::Worker worker, std::size_t i) {
            kernel_uts_node child;
            kernel_uts_child(&node, std::uint32_t(i), &child);
            found[i] = search<P>(worker, tree, child);
        });
    }

    static Found gather(const Found *found, std::uint32_t children) {
        Found all{1, 0, 0};
        for (std::uint32_t i = 0; i < children; i++) {
            all.nodes += found[i].nodes;
            all.leaves += found[i].leaves;
            all.depth = std::max(all.depth, found[i].depth);
        }
        return all;
    }

    // Kept out of the recursion's frame, which only few nodes need so large.
    template <class P>
    [[gnu::noinline]] static Found search_many(typename P::Worker worker, const kernel_uts_tree &tree,
                                               const kernel_uts_node &node, std::uint32_t children) {
        std::vector<Found> found(children);
        search_children<P>(worker, tree, node, children, found.data());
        return gather(found.data(), children);
    }

    template <class P>
    static Found search(typename P::Worker worker, const kernel_uts_tree &tree, const kernel_uts_node &node) {
        constexpr std::uint32_t few = 8;
        std::uint32_t children = kernel_uts_children(&tree, &node);
        if (children == 0) {
            return {1, 1, node.depth};
        }
        if (children > few) {
            return search_many<P>(worker, tree, node, children);
        }
        Found found[few];
        search_children<P>(worker, tree, node, children, found);
        return gather(found, children);
    }

  public:
    static constexpr std::uint64_t warm_up = Tree::warm_up;
    using Answer = Found;

    explicit Search(std::uint64_t size) : tree(Tree::with_size(size)) {}
    template <class P> Answer run(typename P::Worker worker) {
        kernel_uts_node root;
        kernel_uts_root(&tree, &root);
        return search<P>(worker, tree, root);
    }
    std::string check(Answer found) {
        return std::to_string(found.nodes) + "/" + std::to_string(found.leaves) + "/" + std::to_string(found.depth);
    }
};
